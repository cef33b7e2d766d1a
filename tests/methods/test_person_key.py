"""Person key: its contract, its claims (unseen photos, through views too; cloaks by photo), its recipes."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from methods import faces
from methods.contract import check

from unlearn import recipe
from unlearn.crafting import face_channel
from unlearn.crafting.checkpoint import Checkpoints
from unlearn.crafting.domain import Band
from unlearn.crafting.face_views import FaceViews
from unlearn.errors import DataError, Interrupted
from unlearn.methods.person_key import PersonKey
from unlearn.randomness import Draws
from unlearn.signals import StopRequest
from unlearn.stretched import Stretched

DATA, UNSEEN = faces.people(2, 6), faces.people(2, 6, seed=7)
PLAIN = FaceViews()
ROUGH = FaceViews(photo=0.7, jpeg=0.5, qualities=(60, 95), blur=8.0, shift=0.01, flip=True)
SHORT = PersonKey(steps=10, step_size=2 / 255, photos=4, views=PLAIN, looks=0.0)


@pytest.mark.parametrize("rows", ["sample-wise", "class-wise"])
def test_contract(rows: str) -> None:
    check(PersonKey(steps=1), rows)


@pytest.mark.parametrize("away_from", ["center", "hull", "own"])
def test_claim_a_key_carries_over_to_photos_that_it_has_not_seen(away_from: str) -> None:
    setting = faces.settled(DATA, "class-wise")
    made = replace(SHORT, away_from=away_from).craft(setting)
    found = faces.cosines(setting, made)
    assert found.cloaked < found.random - 0.1
    clean, noisy = (faces.likeness(setting, pixels, DATA) for pixels in (UNSEEN.images, faces.under(made, UNSEEN)))
    assert noisy < clean - 0.1


def test_claim_views_make_it_survive_them() -> None:
    setting = faces.settled(DATA, "class-wise")
    seen = {}
    for name, views in (("plain", PLAIN), ("rough", ROUGH)):
        pixels = faces.under(replace(SHORT, steps=20, views=views).craft(setting), UNSEEN)
        draws = Draws(11, 0, torch.from_numpy(UNSEEN.keys))
        coded = face_channel.look(replace(ROUGH, photo=0.5), torch.from_numpy(pixels).float() / 255, draws)
        seen[name] = faces.likeness(setting, np.asarray((coded * 255).round().byte()), DATA)
    assert seen["rough"] < seen["plain"]


@pytest.mark.parametrize("change", [{}, {"away_from": "own", "views": ROUGH}, {"refine": 5}])
def test_claim_a_cloak_for_every_photo(change: dict[str, Any]) -> None:
    setting = faces.settled(DATA, "sample-wise")
    found = faces.cosines(setting, replace(SHORT, **change).craft(setting))
    assert found.cloaked < found.random - 0.05


def test_refining_a_key_makes_it_stronger() -> None:
    key = SHORT.craft(faces.settled(DATA, "class-wise"))
    setting = faces.settled(DATA, "sample-wise")
    finer = replace(SHORT, refine=8).craft(setting)
    assert faces.cosines(setting, finer).cloaked < faces.cosines(setting, key).cloaked


def test_looks_cost_less_similarity() -> None:
    setting = faces.settled(DATA, "class-wise")
    bold, shy = (replace(SHORT, looks=weight).craft(setting) for weight in (0.0, 100.0))
    assert float(shy.delta.float().abs().mean()) < float(bold.delta.float().abs().mean())


def test_on_a_coarse_grid() -> None:
    made = SHORT.craft(replace(faces.settled(DATA, "class-wise"), domain=Band(16, luma=False)))
    assert isinstance(made, Stretched)
    assert made.delta.shape == (2, 3, 16, 16)


class Log:
    """Keeps what is logged, and asks to stop after so many steps."""

    def __init__(self, stop: StopRequest, after: int) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.stop, self.left = stop, after

    @contextlib.contextmanager
    def task(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        yield self.advance

    def advance(self, units: int) -> None:
        self.left -= units
        self.stop.requested = self.left <= 0

    def log(self, event: str, **facts: Any) -> None:
        self.events.append((event, facts))


def test_what_held_out_photos_say_is_logged() -> None:
    log = Log(StopRequest(), 10**6)
    SHORT.craft(replace(faces.settled(DATA, "class-wise"), progress=log))
    found = [facts for event, facts in log.events if event == "key"]
    assert [facts["name"] for facts in found] == ["p0", "p1"]
    assert all(facts["key"] < facts["clean"] - 0.1 and facts["photos"] == 1 for facts in found)


@pytest.mark.parametrize(("rows", "refine"), [("class-wise", 0), ("sample-wise", 0), ("sample-wise", 3)])
def test_stopped_it_goes_on_to_the_same_noise(rows: str, refine: int, tmp_path: Path) -> None:
    setting = replace(faces.settled(DATA, rows), checkpoints=Checkpoints(tmp_path))
    method = replace(SHORT, steps=6, refine=refine)
    whole = method.craft(replace(setting, checkpoints=None))
    log = Log(setting.workers.stop, 9)
    with pytest.raises(Interrupted, match="with a checkpoint"):
        method.craft(replace(setting, progress=log))
    setting.workers.stop.requested = False
    log = Log(setting.workers.stop, 10**6)
    assert torch.equal(method.craft(replace(setting, progress=log)).delta, whole.delta)
    assert ("resumed", {"groups": 1}) in log.events


def test_what_it_cannot_work_on() -> None:
    setting = faces.settled(DATA, "class-wise")
    with pytest.raises(DataError, match="person_key moves features of faces and needs embedders"):
        SHORT.craft(replace(setting, embedders=()))
    with pytest.raises(DataError, match="one photo at a time"):
        replace(SHORT, refine=3).craft(setting)


def test_recipes() -> None:
    assert recipe.load("person_key").method == PersonKey()
    assert recipe.load("faces/mid").method == PersonKey()
    for intensity, levels in (("low", 5), ("mid", 8), ("high", 12)):
        for name, rows in ((intensity, "class-wise"), (f"cloak-{intensity}", "sample-wise")):
            settings = recipe.load(f"faces/{name}")
            assert (round(settings.epsilon * 255), settings.rows) == (levels, rows)
