"""Protections planted to be broken, and keys that fit nobody: the audit must say so, and name what broke them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_dataset
from numpy.typing import NDArray

from unlearn.audit import run as auditing
from unlearn.audit import summary
from unlearn.audit.plan import AuditPlan
from unlearn.audit.run import Subject
from unlearn.defenses import Defense
from unlearn.defenses.grayscale import Grayscale
from unlearn.defenses.jpeg import JPEG
from unlearn.defenses.none import NoDefense
from unlearn.kinds.additive import Additive
from unlearn.settings import SGD, Training

TRAINING = Training(epochs=8, batch_size=20, sgd=SGD(lr=0.05, clip=1.0), augment=())
TRAIN, TEST = make_dataset(120, contrast=14), make_dataset(90, contrast=14, seed=5)
SIZE = TRAIN.images.shape[2]


def tints() -> torch.Tensor:
    """A color a class without any luma, whose parts cancel (0.299 R + 0.587 G + 0.114 B): int8 (K, C, H, W)."""
    colors = torch.tensor([[20, -10, 0], [-20, 10, 0], [0, -4, 20]], dtype=torch.int8)
    return colors[:, :, None, None].repeat(1, 1, SIZE, SIZE)


def grain() -> torch.Tensor:
    """A colored texture a class at the scale of single pixels: columns, rows, checks; int8 (K, C, H, W).

    JPEG keeps color at half the size, where light and dark cancel.
    """
    down, across = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    signs = torch.stack([1 - 2 * (place % 2) for place in (across, down, across + down)])
    return (torch.tensor([32, -16, 0])[None, :, None, None] * signs[:, None]).to(torch.int8)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums depend on the number of threads, and figures of small networks with them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def protected(delta: torch.Tensor, row: NDArray[np.int64]) -> NDArray[np.uint8]:
    made = Additive(delta, torch.from_numpy(row.astype(np.int32)), 32 / 255)
    return made.apply_pixels(TRAIN.images, np.arange(len(TRAIN)))


def verdict(pixels: NDArray[np.uint8], out: Path, *defenses: Defense) -> list[str]:
    plan = AuditPlan(victims=("small_cnn",), seeds=1, training=TRAINING, defenses=(NoDefense(), *defenses))
    subject = Subject(TRAIN, {"protected": pixels}, TEST, 32 / 255)
    auditing.audit(subject, plan, out)
    return summary.verdict(auditing.collect(subject, plan, auditing.rows(subject, plan, out)))


@pytest.mark.parametrize(("noise", "defense"), [(tints, Grayscale()), (grain, JPEG(quality=75))])
def test_a_weak_protection_falls_and_what_broke_it_is_named(
    noise: Callable[[], torch.Tensor], defense: Defense, tmp_path: Path
) -> None:
    said = verdict(protected(noise(), TRAIN.labels), tmp_path, defense)
    assert "the protection works" in said[0], said
    assert f"so this protection does not hold against {defense.label}" in said[2], said


@pytest.mark.parametrize("noise", [tints, grain])
def test_the_key_protects_and_the_same_key_dealt_at_random_does_not(
    noise: Callable[[], torch.Tensor], tmp_path: Path
) -> None:
    """Every image is changed as much as before; only whose row it gets no longer says its class."""
    shuffled = np.random.default_rng(1).permutation(TRAIN.labels)
    assert 0.2 < (shuffled == TRAIN.labels).mean() < 0.5  # a third by chance
    assert "the protection works" in verdict(protected(noise(), TRAIN.labels), tmp_path / "key")[0]
    assert "these images are not protected" in verdict(protected(noise(), shuffled), tmp_path / "dealt")[0]
