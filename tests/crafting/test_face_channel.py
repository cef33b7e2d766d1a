"""Random views of canvases: what they do, that they depend on the photo only, and that gradients pass."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from methods.faces import people

from unlearn.crafting import face_channel
from unlearn.crafting.face_views import FaceViews
from unlearn.methods.person_key import VIEWS
from unlearn.randomness import Draws

CANVASES = torch.from_numpy(people(2, 3, side=64).images).float() / 255
NAMES = ("photo", "jpeg", "resized", "blur", "shift", "turn", "zoom", "flip")


def draws(keys: list[int], step: int = 0) -> Draws:
    return Draws(3, step, torch.tensor(keys))


def test_no_views_change_nothing() -> None:
    assert face_channel.look(FaceViews(), CANVASES, draws([1, 2, 3, 4, 5, 6])) is CANVASES


def test_a_view_depends_on_its_photo_not_on_the_batch() -> None:
    together = face_channel.look(VIEWS, CANVASES, draws([5, 6, 7, 8, 9, 10]))
    alone = torch.cat([face_channel.look(VIEWS, CANVASES[i : i + 1], draws([5 + i])) for i in range(6)])
    assert together.shape == CANVASES.shape
    assert torch.allclose(together, alone, atol=1e-6)
    assert float(together.min()) >= 0
    assert float(together.max()) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_each_view_does_something_of_its_own_and_passes_gradients(name: str) -> None:
    canvases = CANVASES.clone().requires_grad_()
    views = replace(FaceViews(), **{name: getattr(VIEWS, name) if name not in ("jpeg", "resized") else 1.0})
    seen = face_channel.look(views, canvases, draws([11, 12, 13, 14, 15, 16]))
    assert float((seen - CANVASES).detach().abs().max()) > 0.0005
    (gradient,) = torch.autograd.grad(seen.square().sum(), canvases)
    assert (gradient.flatten(1).abs().amax(1) > 0).all()


def test_shares_of_views_that_are_encoded() -> None:
    canvases = CANVASES[:1].expand(300, -1, -1, -1)[:, :, :32, :32]
    seen = face_channel.look(FaceViews(jpeg=1 / 3, resized=1 / 3), canvases, draws(list(range(300))))
    plain = int((seen == canvases).flatten(1).all(1).sum())
    assert 70 <= plain <= 130


def test_small_faces_lose_detail() -> None:
    checks = torch.tensor(np.indices((64, 64)).sum(0) % 2).float().expand(4, 3, 64, 64)
    seen = face_channel.look(FaceViews(photo=0.25), checks, draws([1, 2, 3, 4]))
    assert float(seen.std()) < 0.7 * float(checks.std())


def test_a_detector_misses_by_as_much_as_it_may() -> None:
    spot = torch.zeros(200, 3, 64, 64)
    spot[:, :, 31:33, 31:33] = 1
    seen = face_channel.look(FaceViews(shift=0.1), spot, draws(list(range(200))))
    weights = seen[:, 0] / seen[:, 0].sum((1, 2), keepdim=True)
    moved = (weights.sum(1) * torch.arange(64)).sum(1) - 31.5
    assert 5.5 < float(moved.abs().max()) <= 6.5
    assert abs(float(moved.mean())) < 1
