"""Matching as arithmetic on features: ranks in a gallery, accept rates, a linear probe, and honest intervals.

Features are float32 arrays (N, D) of unit rows, compared by cosine. Nothing here knows photos, faces or networks.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]
Values = NDArray[np.float64]
Ranks = NDArray[np.int64]

FALSE_ACCEPTS = 1e-3
DRAWS = 2000
ITERATIONS = 150


def found(features: Features) -> Features:
    """Without the rows of photos in which no face was found, which are NaN."""
    return features[~np.isnan(features).any(axis=1)]


def ranks(probes: Features, own: Features, others: Features) -> Ranks:
    """For every probe (P, D), the place of the best own gallery photo (G, D) among all; 1 is nearest. Shape (P,).

    A rank of k or less means that any of the person's gallery photos is among the k nearest. Of equal similarities
    the others come first: a tie is no success for the matcher.
    """
    if not len(own):
        raise ValueError("a gallery without a photo of the person has no rank")
    best = (probes @ own.T).max(axis=1, keepdims=True)
    return 1 + np.asarray((probes @ others.T >= best).sum(axis=1), dtype=np.int64)


def accepted(probes: Features, own: Features, threshold: float) -> Values:
    """For every probe, the share of the own gallery photos that it matches at the threshold; shape (P,)."""
    return np.asarray((probes @ own.T >= threshold).mean(axis=1), dtype=np.float64)


def threshold(impostors: Sequence[Features], others: Sequence[Features], rate: float = FALSE_ACCEPTS) -> float:
    """The similarity that a share `rate` of impostor pairs reaches.

    Args:
        impostors: probes by person. others: for each person, the clean gallery photos of everybody else.
    """
    pairs = [(probes @ rest.T).ravel() for probes, rest in zip(impostors, others, strict=True)]
    return float(np.quantile(np.concatenate(pairs), 1 - rate, method="higher"))


def mean(values: Sequence[Values]) -> float:
    """Mean over all probes of all people; values by person."""
    return float(np.concatenate(list(values)).mean())


def interval(values: Sequence[Values], draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean of values in [0, 1]: people are drawn again, then probes within each.

    Where a bootstrap knows no spread, for one person or for all-zero or all-one values, Wilson's interval over probes.
    """
    pooled = np.concatenate(list(values))
    if len(values) == 1 or pooled.min() == pooled.max():
        return wilson(float(pooled.sum()), len(pooled))
    means = _bootstrap(values, draws, seed)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def difference(before: Sequence[Values], after: Sequence[Values], draws: int = DRAWS, seed: int = 0) -> Values:
    """[gap, low, high] of mean(before) - mean(after) for the same people and probes, drawn in pairs.

    Without any spread the interval is that of two independent proportions (Newcombe, 1998, method 10).
    """
    gaps = [a - b for a, b in zip(before, after, strict=True)]
    pooled = np.concatenate(gaps)
    gap = float(pooled.mean())
    if len(gaps) > 1 and pooled.min() < pooled.max():
        means = _bootstrap(gaps, draws, seed)
        return np.array([gap, np.quantile(means, 0.025), np.quantile(means, 0.975)])
    (p, q), ((l1, u1), (l2, u2)) = (mean(before), mean(after)), (_pooled_wilson(before), _pooled_wilson(after))
    return np.array([gap, gap - np.hypot(p - l1, u2 - q), gap + np.hypot(u1 - p, q - l2)])


def _pooled_wilson(values: Sequence[Values]) -> tuple[float, float]:
    pooled = np.concatenate(list(values))
    return wilson(float(pooled.sum()), len(pooled))


def _bootstrap(values: Sequence[Values], draws: int, seed: int) -> Values:
    """Means of resampled people and probes, shape (draws,)."""
    generator = np.random.default_rng(seed)
    sizes = np.array([len(each) for each in values])
    padded = np.zeros((len(values), int(sizes.max())))
    for row, each in zip(padded, values, strict=True):
        row[: len(each)] = each
    people = generator.integers(0, len(values), (draws, len(values)))
    drawn = sizes[people]
    probes = (generator.random((*people.shape, padded.shape[1])) * drawn[..., None]).astype(np.int64)
    inside = np.arange(padded.shape[1]) < drawn[..., None]
    sums = (padded[people[..., None], probes] * inside).sum(axis=(1, 2))
    return np.asarray(sums / drawn.sum(axis=1), dtype=np.float64)


def wilson(successes: float, count: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % score interval of a proportion (Wilson, 1927); 0 of 35 reaches 0.10."""
    share, spread = successes / count, z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * float(np.sqrt(share * (1 - share) / count + spread / (4 * count)))
    return max(0.0, middle - half), min(1.0, middle + half)


def linear_ranks(
    train: Features, labels: NDArray[np.int64], probes: Features, person: int, start: Values | None = None
) -> tuple[Ranks, Values]:
    """A linear probe: (place of `person` among the classes for every probe, weights to start the next fit from).

    Logistic regression on standardized features with scikit-learn's default penalty (C = 1), by L-BFGS from SciPy. The
    problem is convex, so there is no seed, and the start changes nothing but the time.
    """
    center, scale = train.mean(axis=0), train.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    weights = fit_linear((train - center) / scale, labels, int(labels.max()) + 1, start)
    scores = _with_ones((probes - center) / scale) @ weights
    return 1 + np.asarray((np.delete(scores, person, 1) >= scores[:, [person]]).sum(axis=1), dtype=np.int64), weights


def fit_linear(train: NDArray[np.floating], labels: NDArray[np.int64], classes: int, start: Values | None) -> Values:
    """Weights (D + 1, classes) that minimize the summed cross-entropy plus half their squares, without the bias row."""
    from scipy.optimize import minimize  # slow import, needed by this row only

    samples, hot = _with_ones(train), np.eye(classes)[labels]
    shape = (samples.shape[1], classes)

    def loss(flat: Values) -> tuple[float, Values]:
        weights = flat.reshape(shape)
        scores = samples @ weights
        scores -= scores.max(axis=1, keepdims=True)
        totals = np.log(np.exp(scores).sum(axis=1, keepdims=True))
        gradient = samples.T @ (np.exp(scores - totals) - hot)
        gradient[:-1] += weights[:-1]
        penalty = 0.5 * float((weights[:-1] ** 2).sum())
        return float(((totals - scores) * hot).sum()) + penalty, gradient.ravel()

    first = np.zeros(shape) if start is None or start.shape != shape else start
    done = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    return np.asarray(done.x.reshape(shape))


def _with_ones(samples: NDArray[np.floating]) -> Values:
    return np.hstack([samples.astype(np.float64), np.ones((len(samples), 1))])
