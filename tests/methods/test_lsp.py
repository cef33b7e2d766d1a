"""LSP: its contract, its claims (a plane separates the noise, and a network learns it), its recipes."""

import numpy as np
import pytest
from conftest import make_dataset
from methods.contract import check, problem
from methods.learning import both, cifar, clean, crafted, embedded, holds_on_cifar, learned, on_cifar10

from unlearn import recipe
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError
from unlearn.methods.lsp import LSP


@pytest.mark.parametrize("rows", ["sample-wise", "class-wise"])
@pytest.mark.parametrize("epsilon", [8 / 255, 32 / 255])
def test_contract(rows: str, epsilon: float) -> None:
    check(LSP(patch=4), rows, epsilon)


def test_gray_images() -> None:
    check(LSP(patch=4), "sample-wise", channels=1)


def test_it_keeps_its_norm_and_its_blocks_in_any_size() -> None:
    images = np.full((12, 3, 20, 27), 128, dtype=np.uint8)
    data = ImageDataset(images, np.arange(12, dtype=np.int64) % 3, ("a", "b", "c"))
    made = LSP().craft(problem(data, "sample-wise", 32 / 255))
    norms = made.delta.double().flatten(1).norm(dim=1) / 255
    assert made.norm == pytest.approx(1.304 * (20 * 27 / 1024) ** 0.5)
    assert float(norms.max()) <= made.norm
    assert float(norms.min()) > made.norm * 0.97  # few blocks, whole levels
    assert (made.delta[:, :, 8:16, 24:] == made.delta[:, :, 8:9, 24:25]).all()
    assert (made.delta[:, :, 16:, :8] == made.delta[:, :, 16:17, :1]).all()


def test_more_classes_than_patterns_are_refused() -> None:
    data = make_dataset(90, classes=9)
    LSP(patch=16).craft(problem(make_dataset(72, classes=8), "sample-wise"))
    with pytest.raises(DataError, match="lsp: 3 blocks make 8 patterns for 9 classes; lower `patch`"):
        LSP(patch=16).craft(problem(data, "sample-wise"))


def test_claim_planes_separate_the_noise() -> None:
    """Least squares on half of the noise tells the classes of the other half apart; no noise is like another."""
    data = embedded("train").take(np.arange(1200))
    delta = LSP().craft(problem(data, "sample-wise", 32 / 255)).delta.numpy()[:, :, ::8, ::8].reshape(1200, -1)
    wanted = np.eye(data.classes)[data.labels]
    planes = np.linalg.lstsq(delta[:600].astype(float), wanted[:600], rcond=None)[0]
    assert ((delta[600:] @ planes).argmax(1) == data.labels[600:]).mean() > 0.995
    assert len(np.unique(delta, axis=0)) == 1200


STRONGER = LSP(norm=2.0)


def test_claim_a_network_trained_on_it_learns_little() -> None:
    """At 9/255 a value: at the published 6/255 the embedded set's drawings, which have hard edges on plain grounds, are
    learned beside the noise in 300 steps (0.65 of clean 0.94, and 0.44 here)."""
    pixels, _ = both(crafted(STRONGER, embedded("train"), "sample-wise", 64 / 255), embedded("train"))
    assert clean() > 0.85
    assert learned(pixels) < clean() / 2


@pytest.mark.slow
def test_claim_noise_of_the_same_norm_alone_does_not_protect() -> None:
    _, published = both(crafted(LSP(), embedded("train"), "sample-wise", 32 / 255), embedded("train"))
    _, stronger = both(crafted(STRONGER, embedded("train"), "sample-wise", 64 / 255), embedded("train"))
    assert learned(published) > clean() - 0.1
    assert learned(stronger) > clean() - 0.2


@on_cifar10
def test_claim_on_cifar10() -> None:
    """Not half after 1,570 steps: measured 0.36 of clean 0.67, its control 0.65; the published figure (0.135
    of 0.92) is of ResNet-18 and 60 epochs of 50,000."""
    holds_on_cifar(crafted(LSP(), cifar("train"), "sample-wise", 32 / 255), share=0.65)


@pytest.mark.parametrize("name", ["lsp", "lsp-cifar100", "lsp-svhn", "lsp-imagenet100", "small/lsp"])
def test_recipes_are_the_papers(name: str) -> None:
    settings = recipe.load(name)
    assert settings.method == LSP(1.304, 32 if "imagenet" in name else 8)
    assert (round(settings.epsilon * 255), settings.rows) == (32, "sample-wise")
