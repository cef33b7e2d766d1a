"""Nearest points of affine and convex hulls, against a solver and against what makes them the nearest."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize

from unlearn.crafting import hulls


def features(count: int, seed: int = 0, apart: float = 0.3) -> torch.Tensor:
    """Unit features of one person: near each other, as embedders have them."""
    generator = torch.Generator().manual_seed(seed)
    middle = torch.randn(1, 64, generator=generator)
    return F.normalize(middle + apart * torch.randn(count, 64, generator=generator), dim=1)


def test_convex_is_what_a_solver_finds() -> None:
    points, others = features(8), features(3, 1, 2.0)
    for y, mine in zip(others.double().numpy(), hulls.convex(points)(others).double().numpy(), strict=True):
        matrix = points.double().numpy()
        start = np.full(8, 1 / 8)
        sums = {"type": "eq", "fun": lambda a: a.sum() - 1}
        found = minimize(
            lambda a, y=y, m=matrix: ((a @ m - y) ** 2).sum(), start, bounds=[(0, 1)] * 8, constraints=sums, tol=1e-12
        )
        assert ((mine - y) ** 2).sum() < found.fun + 1e-4


def test_convex_leaves_points_inside_where_they_are() -> None:
    points = features(40)
    inside = torch.softmax(torch.randn(5, 40, generator=torch.Generator().manual_seed(3)), 1) @ points
    assert torch.allclose(hulls.convex(points)(inside), inside, atol=2e-2)


def test_affine_leaves_a_rest_at_right_angles() -> None:
    points, y = features(8), features(4, 1, 2.0)
    rest = y - hulls.affine(points)(y)
    assert float((rest @ (points - points.mean(0)).T).abs().max()) < 1e-5
    nearest = hulls.affine(points)(points)
    assert torch.allclose(nearest, points, atol=1e-5)


def test_a_single_point_is_its_own_hull() -> None:
    points, y = features(1), features(3, 1)
    for hull in (hulls.affine, hulls.convex):
        assert torch.allclose(hull(points)(y), points.expand(3, -1), atol=1e-6)


def test_simplex() -> None:
    weights = hulls.simplex(torch.tensor([[0.2, 0.3, 0.5], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 0.5, 0.6]]))
    expected = [[0.2, 0.3, 0.5], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0, 0.45, 0.55]]
    assert torch.allclose(weights, torch.tensor(expected), atol=1e-6)
