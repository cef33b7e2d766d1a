"""The loop over groups: the same noise on several processes and threads, rows without samples, clean samples."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from methods import faces

from unlearn.crafting import embedding
from unlearn.crafting.workers import Workers, alone
from unlearn.errors import DataError
from unlearn.methods.person_key import PersonKey

DATA = faces.people(4, 3)
KEY = PersonKey(steps=3)


@dataclass(frozen=True)
class OneOf(Workers):
    """A process that does its share and receives nothing from the others."""

    def share(self, results: torch.Tensor, spans: object) -> None:
        pass

    def total(self, value: int) -> int:
        return value


@pytest.mark.parametrize("rows", ["sample-wise", "class-wise"])
def test_processes_share_the_work_and_make_the_same_noise(rows: str) -> None:
    setting = faces.settled(DATA, rows)
    method = replace(KEY, photos=2)
    whole = method.craft(setting).delta
    made = torch.zeros(len(whole), dtype=torch.bool)
    for rank in range(3):
        part = method.craft(replace(setting, workers=OneOf(torch.device("cpu"), rank, 3))).delta
        same = (part == whole).flatten(1).all(1)
        assert 0 < int(same.sum()) < len(whole)
        made |= same
    assert made.all()


def test_threads_make_the_same_noise() -> None:
    setting = faces.settled(DATA, "class-wise")
    several = replace(setting, workers=alone(threads=2))
    assert torch.equal(KEY.craft(several).delta, KEY.craft(setting).delta)


def test_samples_without_a_row_stay_clean_and_rows_without_samples_empty() -> None:
    row = np.where(DATA.labels == 1, -1, DATA.labels).astype(np.int32)
    made = KEY.craft(replace(faces.settled(DATA, "class-wise"), row=row))
    pixels = made.apply_pixels(DATA.images, np.arange(len(DATA)))
    assert np.array_equal(pixels[DATA.labels == 1], DATA.images[DATA.labels == 1])
    assert not made.delta[1].any()
    assert made.delta[2].any()


def test_canvases_are_square_and_in_color() -> None:
    narrow = replace(DATA, images=DATA.images[..., :-1])
    with pytest.raises(DataError, match="square RGB canvases of faces, these are 31x32 with 3 channels"):
        embedding.need_embedders(faces.settled(narrow, "class-wise"), "opom")


def test_clean_features_are_those_of_the_photo_and_its_mirror_image() -> None:
    setting = faces.settled(DATA, "class-wise")
    index = torch.tensor([0, 5, 7])
    images = torch.from_numpy(DATA.images).float()[index] / 255
    for embed, plain, mirrored in zip(
        setting.embedders,
        embedding.clean_features(setting, index),
        embedding.clean_features(setting, index, mirrored=True),
        strict=True,
    ):
        assert torch.allclose(plain, embed(images), atol=1e-5)
        both = embed(images) + embed(images.flip(3))
        assert torch.allclose(mirrored, both / both.norm(dim=1, keepdim=True), atol=1e-5)
