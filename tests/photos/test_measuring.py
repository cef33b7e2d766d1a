"""Figures of a written photo: equal to what numpy and scikit-image say of whole pictures, whatever the strips."""

import numpy as np
import pytest

from unlearn.photos import measuring


def pictures(shape: tuple[int, ...], deep: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    top, unit, kind = (65535, 257, np.uint16) if deep else (255, 1, np.uint8)
    clean = generator.integers(0, top + 1, shape)
    noise = generator.integers(-8, 9, shape) * unit
    protected = (clean + noise).clip(0, top)
    written = (protected + generator.integers(-3, 4, shape) * unit).clip(0, top)
    return clean.astype(kind), protected.astype(kind), written.astype(kind)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("shape", [(5, 7, 1), (301, 401, 3), (1025, 97, 3)])
def test_figures_are_those_of_the_whole_picture(shape: tuple[int, ...], deep: bool) -> None:
    clean, protected, written = pictures(shape, deep)
    figures = measuring.measure(clean, protected, written)
    unit = 257 if deep else 1
    change = (written.astype(np.float64) - clean) / unit
    noise = (protected.astype(np.float64) - clean) / unit
    assert figures.linf == pytest.approx(np.abs(change).max())
    assert figures.linf_p999 == pytest.approx(np.quantile(np.abs(change), 0.999), abs=1.01)
    assert figures.psnr == pytest.approx(10 * np.log10(255**2 / np.mean(change**2)), abs=1e-3)
    assert figures.kept == pytest.approx((change * noise).sum() / (noise**2).sum(), rel=1e-4)


def test_large_pictures_need_not_be_read_whole() -> None:
    clean, protected, written = pictures((700, 800, 3))
    exact, sparse = (measuring.measure(clean, protected, written, exact=exact) for exact in (True, False))
    assert sparse.psnr == pytest.approx(exact.psnr, abs=0.05)
    assert sparse.kept == pytest.approx(exact.kept, abs=0.01)
    assert sparse.ssim == exact.ssim
    assert sparse.linf <= exact.linf
    few = measuring.measure(clean[:90], protected[:90], written[:90], exact=False)
    assert few == measuring.measure(clean[:90], protected[:90], written[:90])


def test_equal_pictures_and_no_noise() -> None:
    clean, _, _ = pictures((40, 50, 3))
    figures = measuring.measure(clean, clean, clean)
    assert figures == measuring.Figures(linf=0, linf_p999=0, psnr=100, ssim=1, kept=None)


@pytest.mark.parametrize("deep", [False, True])
def test_ssim_is_that_of_scikit_image_at_its_scale(deep: bool) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    clean, _, written = pictures((200, 220, 3), deep)
    weights = np.array([0.299, 0.587, 0.114]) / (257 if deep else 1)
    expected = metrics.structural_similarity(
        clean @ weights, written @ weights, data_range=255, win_size=7, use_sample_covariance=False
    )
    # scikit-image leaves out a border of 3; so do the windows that lie wholly inside.
    assert measuring.ssim(clean, written) == pytest.approx(expected, abs=2e-3)


def test_ssim_sees_blocks_on_a_large_smooth_photo() -> None:
    smooth = np.full((1200, 1600, 3), 120, np.uint8)
    blocks = smooth.copy()
    blocks[::100] += 30
    blocks[:, :400] -= 40
    assert measuring.ssim(smooth, smooth) == pytest.approx(1)
    assert measuring.ssim(smooth, blocks) < 0.99
