"""UC: its contract, its claim, that it reads no labels, clusters and weights, its recipes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SHARED, make_dataset
from methods import cropped, learning, trained
from methods.contract import check, problem, small
from methods.learning import cifar, holds_on_cifar, on_cifar10
from safetensors.torch import save_file
from torch import Tensor

from unlearn import datasets, recipe, recipe_check, training
from unlearn.crafting import clusters, features
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError
from unlearn.methods.uc import UC
from unlearn.pgd import PGD
from unlearn.settings import Training

TINY = UC(passes=3, clusters=3, batch_size=30)


@pytest.mark.parametrize("rows", ["sample-wise", "class-wise"])
def test_contract(rows: str) -> None:
    """Rows are clusters, whatever the recipe says."""
    made = check(TINY, rows)
    assert len(made.delta) == 3


def test_one_level_of_gray() -> None:
    check(TINY, "sample-wise", 1 / 255, channels=1)


def test_claim_a_victim_learns_the_clusters() -> None:
    """At most half of the clean accuracy under the paper's budget, where clusters and classes are the same.

    Where two classes share a cluster, a victim still tells them apart by what they show: with another seed, whose
    features see two quadrants as one, 0.82 of 1.0 are left here. The paper reports 20.9 of 49.6 (Pets, ResNet-18), with
    features of ImageNet. On the embedded set, whose patterns look alike after quarter turns, rotations teach no such
    clusters and victims learn as from clean images (0.93 of 0.94).
    """
    sets = make_dataset(240, contrast=12), make_dataset(300, seed=1, contrast=12)
    made = UC(passes=10, clusters=3, pretrain=trained.SHORT, batch_size=64).craft(
        problem(sets[0], "sample-wise", 16 / 255, seed=1)
    )
    index = np.arange(240)
    assert all(len(made.row[sets[0].labels == label].unique()) == 1 for label in range(3))
    control = made.control(sets[0].images, index, sets[0].keys)
    assert trained.learned(sets, trained.SHORT, control) > 0.9
    assert trained.learned(sets, trained.SHORT, made.apply_pixels(sets[0].images, index)) < 0.5


def elsewhere() -> dict[str, Tensor]:
    """Weights of a small CNN that has learned CIFAR-10 from 20,000 images of the full set: 0.77 right."""
    data = datasets.load("parquet", "train", path=str(Path(SHARED) / "cifar10-q75")).take(np.arange(20_000, 40_000))
    assert not set(data.keys.tolist()) & set(cifar("train").keys.tolist())
    network = learning.trained(data, data.images, recipe_check.load_audit("audits/small-orders"), 7)
    return {name: tensor.contiguous() for name, tensor in network.state_dict().items()}


@on_cifar10
def test_claim_on_cifar10_where_clusters_are_the_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half under the paper's budget, with features of a network that knows the classes from other images.

    Measured 24.0 of 66.4 %. The clusters that k-means finds in these features are not the classes: of a cluster's
    images 40 % are of one class, and 64.2 % are left. In the network's outputs they are 57 %, and 53.6 are left.
    """
    data = cifar("train")
    labels = torch.from_numpy(data.labels)[torch.from_numpy(data.keys).argsort()]

    def classes(points: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
        return labels, torch.stack([points[labels == label].double().mean(0) for label in range(count)])

    monkeypatch.setattr(clusters, "k_means", classes)
    save_file(elsewhere(), tmp_path / "weights.safetensors")
    method = UC(passes=10, weights=str(tmp_path / "weights.safetensors"))
    holds_on_cifar(method.craft(cropped.problem_of(replace(recipe.load("small/uc"), epsilon=16 / 255), data)))


def test_members_come_nearer_to_the_next_center() -> None:
    data = make_dataset(90, contrast=20)
    setting = problem(data, "sample-wise")
    method = replace(TINY, passes=20, pretrain=Training(epochs=3, batch_size=30, augment=()))
    made = method.craft(setting)
    protected = made.apply_pixels(data.images, np.arange(len(data)))
    network = features.rotations(setting, method.pretrain)
    found = [network(training.to_float(torch.from_numpy(images))) for images in (data.images, protected)]
    row = made.row.long()
    centers = torch.stack([found[0][row == k].mean(0) for k in range(3)])
    before, now = ((each.softmax(1) - centers.roll(-1, 0)[row].softmax(1)).norm(dim=1).mean() for each in found)
    assert now < 0.7 * before


def test_labels_are_not_read() -> None:
    """Other labels under the same keys (which come from names and pixels) give the same noise."""
    data = make_dataset(60)
    other = ImageDataset(data.images, np.random.default_rng(0).permutation(data.labels), data.names)
    other.__dict__["keys"] = data.keys
    one, two = (small(TINY).craft(problem(each, "sample-wise")) for each in (data, other))
    assert not np.array_equal(data.labels, other.labels)
    assert torch.equal(one.delta, two.delta)
    assert torch.equal(one.row, two.row)


def test_clusters_of_points() -> None:
    generator = torch.Generator().manual_seed(0)
    centers = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    truth = torch.arange(80) % 4
    member, found = clusters.k_means(centers[truth] + torch.randn(80, 2, generator=generator), 4, seed=0)
    for cluster in range(4):
        assert len(truth[member == cluster].unique()) == 1
    assert torch.cdist(found.float(), centers).min(1).values.max() < 1


def test_equal_points_leave_clusters_empty() -> None:
    member, centers = clusters.k_means(torch.ones(5, 2), 3, seed=0)
    assert len(member.unique()) == 1
    assert centers.isfinite().all()


def test_weights_from_a_file(tmp_path: Path) -> None:
    network = training.build("small_cnn", 7, (3, 24, 24), 5)
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, tmp_path / "weights.safetensors")
    method = replace(TINY, weights=str(tmp_path / "weights.safetensors"), size=24, normalize=True, pgd=PGD(2 / 255, 1))
    made = check(method, "sample-wise")
    other = small(TINY).craft(problem(make_dataset(72, contrast=20), "sample-wise"))
    assert not torch.equal(made.delta, other.delta)


def test_unreadable_weights() -> None:
    with pytest.raises(DataError, match="not a readable safetensors file"):
        UC(weights="nowhere.safetensors").craft(problem(make_dataset(30), "sample-wise"))


@pytest.mark.parametrize("method", [UC(clusters=40), UC(clusters=4, offset=8)])
def test_clusters_that_cannot_be(method: UC) -> None:
    with pytest.raises(DataError, match="uc: 30 samples"):
        method.craft(problem(make_dataset(30), "sample-wise"))


@pytest.mark.parametrize("name", ["uc", "cifar10-uc", "small/uc"])
def test_recipes(name: str) -> None:
    assert isinstance(recipe.load(name).method, UC)
