"""OPOM: its contract, its claim (a person's mask moves features of photos that it has not seen), its recipes."""

from dataclasses import replace

import numpy as np
import pytest
from methods import faces
from methods.contract import check

from unlearn import recipe
from unlearn.errors import DataError
from unlearn.methods.opom import OPOM

DATA, UNSEEN = faces.people(2, 6), faces.people(2, 6, seed=7)
VARIANTS = ("fi", "fi_plus", "class_center", "affine_hull", "convex_hull")


@pytest.mark.parametrize("momentum", [None, 1.0])
def test_contract(momentum: float | None) -> None:
    check(OPOM(steps=1, momentum=momentum), "class-wise")


def test_one_photo_a_row() -> None:
    check(OPOM("fi", steps=1), "sample-wise")


@pytest.mark.parametrize("method", [*(OPOM(variant, steps=10) for variant in VARIANTS), OPOM(momentum=1.0)])  # type: ignore[arg-type]
def test_claim_a_mask_carries_over_to_photos_that_it_has_not_seen(method: OPOM) -> None:
    setting = faces.settled(DATA, "class-wise")
    made = method.craft(setting)
    found = faces.cosines(setting, made)
    assert found.cloaked < found.random - 0.1
    clean, masked = (faces.likeness(setting, pixels, DATA) for pixels in (UNSEEN.images, faces.under(made, UNSEEN)))
    assert masked < clean - 0.1


def test_a_mask_is_the_person_s_own() -> None:
    """Another person's photos beside it change nothing."""
    both = OPOM(steps=6).craft(faces.settled(DATA, "class-wise"))
    alone = OPOM(steps=6).craft(faces.settled(DATA.take(np.flatnonzero(DATA.labels == 0)), "class-wise"))
    assert (both.delta[0] == alone.delta[0]).all()


def test_without_embedders() -> None:
    with pytest.raises(DataError, match="opom moves features of faces and needs embedders"):
        OPOM().craft(replace(faces.settled(DATA, "class-wise"), embedders=()))


def test_recipes() -> None:
    assert recipe.load("opom").method == OPOM()
    for intensity, levels in (("low", 5), ("mid", 8), ("high", 12)):
        settings = recipe.load(f"faces/opom-{intensity}")
        assert (settings.method.steps, round(settings.epsilon * 255), settings.rows) == (
            2 * levels,
            levels,
            "class-wise",
        )
