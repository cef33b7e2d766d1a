"""What protection costs a photo and what is left of the noise, measured on the file that is written.

Works in strips of rows, so that beside the three pictures no full-size array exists.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unlearn.photos.picture import Samples

STRIP_SAMPLES = 1 << 15  # a strip's differences stay in the processor's cache and need no fresh memory
LUMA_SAMPLES = 1 << 21
# Of a large picture every 7th sample is enough for a percentile; all channels and columns take turns.
SAMPLED, MANY = 7, 1_000_000
SPARSE = 4  # where the largest change is no promise, every fourth strip of a large picture tells the rest
SSIM_SIDE = 256  # SSIM's authors: average the picture down until its shorter side is about this long
WINDOW = 7
BEST_PSNR = 100.0  # for equal pictures, so that medians stay finite


@dataclass(frozen=True)
class Figures:
    """Of a written photo against the decoded original; changes in levels of 255.

    linf, linf_p999: largest change of a sample, and its 99.9th percentile. psnr: dB over all samples.
    ssim: of luma at the scale that the measure was made for. kept: <change, noise> / |noise|^2, or None without noise.
    """

    linf: float
    linf_p999: float
    psnr: float
    ssim: float
    kept: float | None


def measure(original: Samples, protected: Samples, written: Samples, exact: bool = True) -> Figures:
    """Compare three pictures (H, W, C) of one type: before the noise, with it, and as decoded from the written file.

    Args:
        exact: look at every row; otherwise, in large pictures, at every fourth strip of some rows, which is enough
            for all figures but the largest change.
    """
    unit = int(np.iinfo(original.dtype).max) // 255
    sums, count = np.zeros(3), 0
    histogram = np.zeros(int(np.iinfo(original.dtype).max) + 1, np.int64)
    largest = 0
    step = SAMPLED if original.size > MANY else 1
    height = max(1, STRIP_SAMPLES // original[0].size)
    for top in range(0, len(original), height if exact or original.size <= MANY else height * SPARSE):
        rows = slice(top, top + height)
        change = _difference(written[rows], original[rows])
        noise = _difference(protected[rows], original[rows])
        largest = max(largest, int(change.max()), -int(change.min()))
        counts = np.bincount(np.abs(change.ravel()[::step]))
        histogram[: len(counts)] += counts
        sums, count = sums + _products(change, noise), count + change.size
    error = sums[0] / count / unit**2
    return Figures(
        linf=largest / unit,
        linf_p999=_percentile(histogram, 0.999) / unit,
        psnr=BEST_PSNR if error == 0 else float(min(BEST_PSNR, 10 * np.log10(255**2 / error))),
        ssim=ssim(original, written),
        kept=float(sums[1] / sums[2]) if sums[2] else None,
    )


def _difference(left: Samples, right: Samples) -> NDArray[Any]:
    difference: NDArray[Any] = left.astype(np.int16 if left.dtype == np.uint8 else np.int32)
    difference -= right
    return difference


def _products(change: NDArray[Any], noise: NDArray[Any]) -> NDArray[np.float64]:
    """|change|^2, <change, noise> and |noise|^2; 32-bit floats are exact enough within one strip."""
    a, b = change.ravel().astype(np.float32), noise.ravel().astype(np.float32)
    return np.array([np.dot(a, a), np.dot(a, b), np.dot(b, b)], np.float64)


def _percentile(histogram: NDArray[np.int64], share: float) -> int:
    return int(np.searchsorted(np.cumsum(histogram), share * histogram.sum()))


def ssim(left: Samples, right: Samples) -> float:
    """SSIM of luma (Wang et al., IEEE TIP 2004), averaged down as its authors advise; 1 for tiny pictures."""
    factor = max(1, min(left.shape[:2]) // SSIM_SIDE)
    a, b = _luma(left, factor), _luma(right, factor)
    if min(a.shape) < WINDOW:
        return 1.0
    mean_a, mean_b = _boxes(a), _boxes(b)
    var_a, var_b = _boxes(a * a) - mean_a**2, _boxes(b * b) - mean_b**2
    both = _boxes(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    return float((top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def _luma(samples: Samples, factor: int) -> NDArray[np.float64]:
    """Luma in levels of 255, averaged over factor x factor samples, made strip by strip."""
    height = factor * max(1, LUMA_SAMPLES // samples[0].size // factor)
    strips = [_small(samples[top : top + height], factor) for top in range(0, len(samples), height)]
    small = np.concatenate(strips)
    return small @ np.array([0.299, 0.587, 0.114]) if small.shape[2] == 3 else small[..., 0]


def _small(strip: Samples, factor: int) -> NDArray[np.float64]:
    """Pillow averages 8-bit samples in a tenth of numpy's time; deep samples are few enough for numpy."""
    if strip.dtype == np.uint8:
        image = Image.fromarray(strip[..., 0] if strip.shape[2] == 1 else strip)
        return np.asarray(image.reduce(factor), np.float64).reshape(-1, -(-strip.shape[1] // factor), strip.shape[2])
    rows = np.add.reduceat(strip.astype(np.float64), np.arange(0, len(strip), factor), axis=0)
    sums = np.add.reduceat(rows, np.arange(0, strip.shape[1], factor), axis=1)
    tall = np.diff(np.r_[np.arange(0, len(strip), factor), len(strip)])
    wide = np.diff(np.r_[np.arange(0, strip.shape[1], factor), strip.shape[1]])
    means: NDArray[np.float64] = sums / (tall[:, None, None] * wide[None, :, None]) / 257
    return means


def _boxes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over all WINDOW x WINDOW squares."""
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    w = WINDOW
    return (sums[w:, w:] - sums[:-w, w:] - sums[w:, :-w] + sums[:-w, :-w]) / w**2
