"""Similarities between points: exact for similar points, never a reflection; the canvas lies as the template says."""

import numpy as np
import pytest

from unlearn.faces import geometry
from unlearn.faces.face import Face


def random_similarity(draw: np.random.Generator) -> geometry.Matrix:
    angle, scale = draw.uniform(-np.pi, np.pi), np.exp(draw.uniform(-3, 3))
    turn = scale * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return np.hstack([turn, draw.uniform(-500, 500, (2, 1))])


@pytest.mark.parametrize("seed", range(20))
def test_similar_points_give_their_similarity(seed: int) -> None:
    draw = np.random.default_rng(seed)
    matrix, points = random_similarity(draw), draw.uniform(0, 100, (5, 2))
    found = geometry.similarity(points, geometry.moved(matrix, points))
    np.testing.assert_allclose(found, matrix, atol=1e-8 * np.abs(matrix).max())


@pytest.mark.parametrize("seed", range(20))
def test_the_fit_is_the_best_among_its_neighbors(seed: int) -> None:
    draw = np.random.default_rng(seed)
    source, target = draw.normal(size=(5, 2)), draw.normal(size=(5, 2))
    best = geometry.similarity(source, target)
    error = ((geometry.moved(best, source) - target) ** 2).sum()
    a, b, x, y = draw.normal(scale=1e-3, size=4)
    nudged = best + np.array([(a, -b, x), (b, a, y)])
    assert ((geometry.moved(nudged, source) - target) ** 2).sum() >= error - 1e-12


@pytest.mark.parametrize("squeeze", [1.0, 0.1, 0.01, 0.0, -0.01, -0.1, -1.0])
def test_nothing_is_ever_mirrored(squeeze: float) -> None:
    """A profile has its points nearly on a line, and a detector may even put the eyes in the wrong order."""
    points = geometry.TEMPLATE * (squeeze, 1.0)
    matrix = geometry.similarity(points, geometry.TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0
    np.testing.assert_allclose(matrix[0, :2], matrix[1, 1::-1] * (1, -1), atol=1e-12)


@pytest.mark.parametrize("value", [3.0, np.nan, np.inf])
def test_points_without_extent_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="coincide"):
        geometry.similarity(np.full((5, 2), value), geometry.TEMPLATE)


@pytest.mark.parametrize("seed", range(5))
def test_inverse_and_after(seed: int) -> None:
    draw = np.random.default_rng(seed)
    first, second, points = random_similarity(draw), random_similarity(draw), draw.uniform(0, 100, (7, 2))
    both = geometry.moved(second, geometry.moved(first, points))
    np.testing.assert_allclose(geometry.moved(geometry.after(second, first), points), both)
    np.testing.assert_allclose(
        geometry.moved(geometry.inverse(first), geometry.moved(first, points)), points, atol=1e-8
    )


@pytest.mark.parametrize("side", [112, 160, 224, 333])
def test_the_canvas_is_the_template_with_a_margin(side: int) -> None:
    """An aligned crop lies in the middle of the canvas, whatever their sizes."""
    face = Face(geometry.moved(random_similarity(np.random.default_rng(side)), geometry.TEMPLATE), (0, 0, 1, 1))
    onto = geometry.after(geometry.to_template(face, 112), geometry.inverse(geometry.to_canvas(face, side)))
    corners = geometry.moved(onto, np.array([(-0.5, -0.5), (side - 0.5, side - 0.5)]))
    margin = (geometry.FIELD - geometry.TEMPLATE_SIDE) / 2
    np.testing.assert_allclose(corners, [(-0.5 - margin,) * 2, (111.5 + margin,) * 2], atol=1e-6)


@pytest.mark.parametrize("side", [160, 224])
def test_the_face_of_a_canvas_needs_no_move(side: int) -> None:
    face = geometry.canvas_face(side)
    np.testing.assert_allclose(geometry.to_canvas(face, side), [(1, 0, 0), (0, 1, 0)], atol=1e-9)
    left, top, right, bottom = face.box
    assert ((face.points > (left, top)) & (face.points < (right, bottom))).all()
    assert 0 <= left < right < side
    assert 0 <= top < bottom < side


def test_a_scaled_face_has_a_scaled_similarity() -> None:
    face = geometry.canvas_face(224)
    matrix = geometry.to_canvas(face.scaled(3.0), 224)
    np.testing.assert_allclose(matrix, [(1 / 3, 0, -1 / 3), (0, 1 / 3, -1 / 3)], atol=1e-9)
    assert face.scaled(3.0).eye_distance == pytest.approx(3 * face.eye_distance)
