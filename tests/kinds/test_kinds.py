"""Every kind of perturbation: it keeps its promise on pixels, survives its file, and leaves what is not its own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_dataset
from numpy.typing import NDArray

from unlearn import kinds, perturbation, registry
from unlearn.datasets import ImageDataset
from unlearn.errors import PerturbationError
from unlearn.kinds import Perturbation
from unlearn.kinds.additive import Additive
from unlearn.kinds.filtering import UNIT, Filtering
from unlearn.kinds.replacing import Replacing
from unlearn.kinds.sequence import Sequence
from unlearn.perturbation import Origin, Saved

SIZE = (3, 12, 16)


def dataset(samples: int = 40) -> ImageDataset:
    """Images that are not square, dark and bright ones among them."""
    pixels = np.random.default_rng(0).integers(0, 256, (samples, *SIZE), dtype=np.uint8)
    pixels[0], pixels[1] = 0, 255
    return ImageDataset(pixels, np.arange(samples, dtype=np.int64) % 4, ("a", "b", "c", "d"))


def rows(data: ImageDataset, clean: int = 5) -> torch.Tensor:
    """Class-wise; the last samples stay clean."""
    row = data.labels.astype(np.int32)
    row[-clean:] = -1
    return torch.from_numpy(row)


def additive(data: ImageDataset, epsilon: float) -> Additive:
    limit = round(epsilon * 255)
    generator = torch.Generator().manual_seed(0)
    delta = torch.randint(-min(limit, 9), min(limit, 9) + 1, (4, *SIZE), generator=generator)
    return Additive(delta.to(torch.int8 if limit <= 127 else torch.int16), rows(data), epsilon)


def replacing(data: ImageDataset, epsilon: float) -> Replacing:
    place = torch.tensor([[0, 191], [17, 5], [100, 99], [31, 32]], dtype=torch.int32)
    color = torch.tensor([0, 255], dtype=torch.uint8)[torch.arange(24).reshape(4, 2, 3) % 5 % 2]
    return Replacing(place, color, rows(data), epsilon)


def filtering(data: ImageDataset, epsilon: float, exposed: bool = True) -> Filtering:
    kernel = torch.randint(0, UNIT // 3, (4, 3, 3), generator=torch.Generator().manual_seed(0), dtype=torch.int16)
    return Filtering(kernel, rows(data), epsilon, exposed)


def sequence(data: ImageDataset, epsilon: float) -> Sequence:
    return Sequence((filtering(data, epsilon), replacing(data, epsilon), additive(data, epsilon)), epsilon)


Make = Callable[[ImageDataset, float], Perturbation]
KINDS: dict[str, Make] = {
    "additive": additive,
    "replacing": replacing,
    "filtering": filtering,
    "sequence": sequence,
}


def broken(made: Perturbation, clean: NDArray[np.uint8], changed: NDArray[np.uint8]) -> list[str]:
    return [problem for pair in zip(clean, changed, strict=True) for problem in made.promise.broken(*pair)]


def test_all_kinds_are_tested() -> None:
    assert list(registry.names("kinds")) == sorted(KINDS)


@pytest.mark.parametrize("epsilon", [1 / 255, 8 / 255, 200 / 255, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_its_promise_and_leaves_the_others(kind: str, epsilon: float) -> None:
    data, index = dataset(), np.arange(40)
    made = KINDS[kind](data, epsilon)
    before = data.images.copy()
    pixels = made.apply_pixels(data.images, index)
    assert np.array_equal(data.images, before)
    assert pixels.dtype == np.uint8
    assert not broken(made, data.images, pixels)
    assert np.abs(pixels.astype(int) - data.images).max() <= round(epsilon * 255)
    assert np.array_equal(made.protected(index), index < 35)
    assert np.array_equal(pixels[35:], data.images[35:])
    assert (pixels[:35] != data.images[:35]).any()


@pytest.mark.parametrize("epsilon", [8 / 255, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_floats_and_pixels_agree(kind: str, epsilon: float) -> None:
    """To a rounding by part; the exposure of a black image divides nothing by nothing."""
    data = dataset()
    made = KINDS[kind](data, epsilon)
    floats = made.apply(torch.from_numpy(data.images).float() / 255, torch.arange(40))
    pixels = made.apply_pixels(data.images, np.arange(40))
    assert float((floats * 255 - torch.from_numpy(pixels)).abs().max()) <= 0.51 * (3 if kind == "sequence" else 1)


@pytest.mark.parametrize("kind", KINDS)
def test_any_part_of_the_data_in_any_order(kind: str) -> None:
    data, index = dataset(), np.random.default_rng(1).permutation(40)[:23]
    made = KINDS[kind](data, 1.0)
    assert np.array_equal(
        made.apply_pixels(data.images[index], index), made.apply_pixels(data.images, np.arange(40))[index]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_keeps_everything(kind: str, tmp_path: Path) -> None:
    data = dataset()
    made = KINDS[kind](data, 20 / 255)
    origin = Origin("m", "class-wise", "abc", "made", data.fingerprint, data.names, SIZE, {"x": "1"})
    for name in ("a", "b"):
        perturbation.save(tmp_path / name, Saved(made, data.ids, origin))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    again = perturbation.load(tmp_path / "a")
    assert kinds.name_of(again.perturbation) == kind
    assert again.origin == origin
    assert again.perturbation.promise == made.promise
    assert again.perturbation.facts() == made.facts()
    assert np.array_equal(again.protect(data).images, made.apply_pixels(data.images, np.arange(40)))
    assert np.array_equal(again.control(data), made.control(data.images, np.arange(40), data.keys))


@pytest.mark.parametrize("kind", KINDS)
def test_the_control_is_as_large_and_keeps_the_promise(kind: str) -> None:
    data, index = dataset(400), np.arange(400)
    data.images[:] = data.images // 2 + 60
    made = KINDS[kind](data, 1.0)
    pixels, control = made.apply_pixels(data.images, index), made.control(data.images, index, data.keys)
    sizes = [float((each[:395].astype(float) - data.images[:395]).std()) for each in (pixels, control)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.35)
    assert np.array_equal(control[395:], data.images[395:])
    if made.promise.pixels is not None:
        assert not broken(made, data.images, control)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "pickled"}, "kind of perturbation"),
        ({"kind": "../os"}, "kind of perturbation"),
        ({"kind": 3}, "kind of perturbation"),
        ({"kind": "filtering"}, "not a readable"),
        ({"parts": [{"kind": "sequence"}]}, "not a readable"),
        ({"parts": []}, "no samples"),
        ({"epsilon": "much"}, "not a readable"),
        ({"shape": [3, 4, 4]}, "shape differ"),
    ],
)
def test_damaged_facts_are_refused(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    import json

    from safetensors import safe_open
    from safetensors.torch import save_file

    data = dataset()
    origin = Origin("m", "class-wise", "abc", "made", data.fingerprint, data.names, SIZE, {"x": "1"})
    perturbation.save(tmp_path / "p", Saved(sequence(data, 1.0), data.ids, origin))
    with safe_open(tmp_path / "p", framework="pt") as file:
        meta = json.loads(file.metadata()["unlearn"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    save_file(tensors, tmp_path / "p", metadata={"unlearn": json.dumps(meta | changes)})
    with pytest.raises(PerturbationError, match=message):
        perturbation.load(tmp_path / "p")


def test_additive_noise_keeps_a_norm_of_its_own() -> None:
    row, delta = torch.zeros(1, dtype=torch.int32), torch.full((1, *SIZE), 2, dtype=torch.int8)
    norm = 2 * 576**0.5 / 255
    assert Additive(delta, row, 8 / 255, norm).promise.words == f"L2 norm of at most {norm:.4g} an image"
    with pytest.raises(PerturbationError, match=r"L2 norm of 0\.1882, the budget is 0\.1864"):
        Additive(delta, row, 8 / 255, norm * 0.99)


def test_neighbors_with_equal_rows_add_up() -> None:
    data = dataset()
    one, other = additive(data, 8 / 255), additive(data, 6 / 255)
    both = one.joined(other, 10 / 255)
    assert both is not None
    assert torch.equal(both.delta.int(), (one.delta.int() + other.delta).clamp(-10, 10))
    assert one.joined(Additive(one.delta, torch.zeros(40, dtype=torch.int32), 8 / 255), 1.0) is None
    assert one.joined(replacing(data, 1.0), 1.0) is None


def test_a_sequence_keeps_its_order() -> None:
    data, index = dataset(), np.arange(40)
    first, second = filtering(data, 1.0), replacing(data, 1.0)
    whole = Sequence((first, second), 1.0).apply_pixels(data.images, index)
    assert np.array_equal(whole, second.apply_pixels(first.apply_pixels(data.images, index), index))
    assert not np.array_equal(whole, Sequence((second, first), 1.0).apply_pixels(data.images, index))


def test_a_replaced_pixel_is_where_it_is_said_to_be() -> None:
    data = dataset()
    made = Replacing(torch.tensor([[2 * 16 + 5]], dtype=torch.int32), torch.tensor([[[255, 0, 7]]], dtype=torch.uint8),
                     torch.zeros(40, dtype=torch.int32), 1.0)  # fmt: skip
    pixels = made.apply_pixels(data.images, np.arange(40))
    assert (pixels[:, :, 2, 5] == [255, 0, 7]).all()
    assert not made.fits((3, 2, 16))
    assert made.fits(SIZE)


def test_filtering_is_a_convolution_with_repeated_edges() -> None:
    data = dataset()
    made = filtering(data, 1.0, exposed=False)
    wide = np.pad(data.images[6].astype(float), ((0, 0), (1, 1), (1, 1)), mode="edge")
    kernel = made.kernel[2].double().numpy() / UNIT
    expected = sum(kernel[y, x] * wide[:, y : y + 12, x : x + 16] for y in range(3) for x in range(3))
    pixels = made.apply_pixels(data.images[6:7], np.array([6]))[0]
    assert np.abs(pixels - expected.clip(0, 255)).max() <= 0.5 + 1e-9


def test_exposure_lets_the_brightest_value_be_white() -> None:
    data = dataset()
    data.images[:] //= 3
    pixels = filtering(data, 1.0).apply_pixels(data.images, np.arange(40))
    assert (pixels[2:35].max((1, 2, 3)) == 255).all()
    assert not pixels[0].any()


def test_other_sizes_than_the_recorded_are_refused(tmp_path: Path) -> None:
    data = make_dataset()
    origin = Origin("m", "class-wise", "abc", "made", data.fingerprint, data.names, (3, 2, 2), {})
    place = torch.tensor([[4]], dtype=torch.int32)
    made = Replacing(place, torch.zeros(1, 1, 3, dtype=torch.uint8), torch.zeros(60, dtype=torch.int32), 1.0)
    perturbation.save(tmp_path / "p", Saved(made, data.ids, origin))
    with pytest.raises(PerturbationError, match="shape differ"):
        perturbation.load(tmp_path / "p")
