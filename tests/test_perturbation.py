"""The perturbation applies itself within the budget, and its file is bound to its data."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_dataset

from unlearn import perturbation
from unlearn.datasets import ImageDataset
from unlearn.errors import PerturbationError
from unlearn.perturbation import Additive, Origin, Saved


def saved_for(data: ImageDataset, epsilon: float = 8 / 255, row: np.ndarray | None = None) -> Saved:
    generator = torch.Generator().manual_seed(0)
    rows = np.arange(len(data), dtype=np.int32) if row is None else row
    delta = torch.randint(-8, 9, (int(rows.max()) + 1, *data.images.shape[1:]), generator=generator, dtype=torch.int8)
    origin = Origin("em", "sample-wise", "abc", "made", data.fingerprint, data.names, data.images.shape[1:], {"x": "1"})
    return Saved(Additive(delta, torch.from_numpy(rows), epsilon), data.ids, origin)


def test_round_trip_keeps_everything(tmp_path: Path, dataset: ImageDataset) -> None:
    saved = saved_for(dataset)
    perturbation.save(tmp_path / "p.safetensors", saved)
    again = perturbation.load(tmp_path / "p.safetensors")
    assert torch.equal(again.perturbation.delta, saved.perturbation.delta)
    assert torch.equal(again.perturbation.row, saved.perturbation.row)
    assert again.ids == saved.ids
    assert again.origin == saved.origin
    assert stat.S_IMODE(os.stat(tmp_path / "p.safetensors").st_mode) == 0o600


def test_equal_contents_give_equal_bytes(tmp_path: Path, dataset: ImageDataset) -> None:
    for name in ("a", "b"):
        perturbation.save(tmp_path / name, saved_for(dataset))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("extreme", [0, 1, 7, 128, 250, 255])
def test_budget_holds_on_pixels(extreme: int) -> None:
    data = make_dataset()
    data.images[:] = extreme
    protected = saved_for(data).protect(data)
    assert np.abs(protected.images.astype(int) - data.images).max() <= 8


def test_float_and_pixel_application_agree(dataset: ImageDataset) -> None:
    saved = saved_for(dataset)
    index = torch.arange(len(dataset))
    floats = saved.perturbation.apply(torch.from_numpy(dataset.images).float() / 255, index)
    pixels = saved.perturbation.apply_pixels(dataset.images, index.numpy())
    assert torch.allclose(floats, torch.from_numpy(pixels).float() / 255, atol=1e-6)


def test_another_order_and_a_subset_are_right(dataset: ImageDataset) -> None:
    saved = saved_for(dataset)
    whole = saved.protect(dataset).images
    for index in (np.random.default_rng(1).permutation(len(dataset)), np.array([5, 3, 40])):
        assert np.array_equal(saved.protect(dataset.take(index)).images, whole[index])


def test_exact_duplicates_keep_rows_of_their_own() -> None:
    data = make_dataset()
    data.images[6] = data.images[3]
    assert data.labels[6] == data.labels[3]
    assert len(set(data.ids)) == len(data)


def test_samples_without_a_row_stay_clean(dataset: ImageDataset) -> None:
    row = np.arange(len(dataset), dtype=np.int32)
    row[10:] = -1
    protected = saved_for(dataset, row=row).protect(dataset)
    assert np.array_equal(protected.images[10:], dataset.images[10:])
    assert not np.array_equal(protected.images[:10], dataset.images[:10])


def test_other_data_is_refused_by_what_differs(dataset: ImageDataset) -> None:
    saved = saved_for(dataset)
    other = make_dataset(seed=9)
    with pytest.raises(PerturbationError, match=f"60 of 60 samples are unknown.*{other.fingerprint}"):
        saved.protect(other)
    with pytest.raises(PerturbationError, match=r"16x16 with 3 channels.*these are 8x8 with 1 channel"):
        saved.protect(make_dataset(size=8, channels=1))


def test_relabeled_data_is_other_data(dataset: ImageDataset) -> None:
    relabeled = ImageDataset(dataset.images, (dataset.labels + 1) % 3, dataset.names)
    with pytest.raises(PerturbationError, match="made for other data"):
        saved_for(dataset).protect(relabeled)


def test_too_strong_noise_is_refused() -> None:
    with pytest.raises(PerturbationError, match="reaches 9 levels, the budget is 8"):
        Additive(torch.full((1, 3, 2, 2), -9, dtype=torch.int8), torch.zeros(1, dtype=torch.int32), 8 / 255)


def test_rows_out_of_range_are_refused() -> None:
    with pytest.raises(PerturbationError, match="rows"):
        Additive(torch.zeros(1, 3, 2, 2, dtype=torch.int8), torch.tensor([1], dtype=torch.int32), 8 / 255)


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\x08\x00\x00\x00\x00\x00\x00\x00{}xxxxxx"])
def test_damaged_files_are_refused(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "p.safetensors"
    path.write_bytes(damage)
    with pytest.raises(PerturbationError, match=r"p\.safetensors"):
        perturbation.load(path)


def test_a_truncated_file_is_refused(tmp_path: Path, dataset: ImageDataset) -> None:
    path = tmp_path / "p.safetensors"
    perturbation.save(path, saved_for(dataset))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(PerturbationError, match="not a readable"):
        perturbation.load(path)


def test_saving_leaves_no_temporary_file(tmp_path: Path, dataset: ImageDataset) -> None:
    perturbation.save(tmp_path / "p", saved_for(dataset))
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_ids_follow_content_not_place(dataset: ImageDataset) -> None:
    reverse = np.arange(len(dataset))[::-1]
    assert dataset.take(reverse).ids == dataset.ids[::-1]
    assert dataset.take(reverse).fingerprint == dataset.fingerprint
    changed = dataset.images.copy()
    changed[0, 0, 0, 0] ^= 1
    assert ImageDataset(changed, dataset.labels, dataset.names).ids[0] != dataset.ids[0]
