"""SSIM as skimage computes it, its multi-scale form, and Gaussian blur."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from unlearn.crafting.blurring import blurred
from unlearn.crafting.similarity import dssim, multi_scale, ssim


def pair(noise: float, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(0)
    picture = gaussian_filter(generator.uniform(0, 1, (2, 3, size, size)), (0, 0, 3, 3)) * 3 % 1
    noisy = (picture + generator.normal(0, noise, picture.shape)).clip(0, 1)
    return torch.from_numpy(picture).float(), torch.from_numpy(noisy).float()


@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_ssim_is_that_of_skimage(noise: float) -> None:
    clean, noisy = pair(noise)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    for mine, a, b in zip(ssim(clean, noisy), clean, noisy, strict=True):
        theirs = structural_similarity(a.numpy(), b.numpy(), channel_axis=0, **options)
        assert float(mine) == pytest.approx(theirs, abs=2e-4)


def test_equal_images_are_alike() -> None:
    clean, _ = pair(0.1)
    assert torch.allclose(ssim(clean, clean), torch.ones(2), atol=1e-5)
    assert torch.allclose(multi_scale(clean, clean), torch.ones(2), atol=1e-5)
    assert float(dssim(clean, clean).abs().max()) < 1e-5


def test_more_noise_is_less_alike_and_gradients_pass() -> None:
    clean, little = pair(0.02)
    _, much = pair(0.2)
    for measure in (ssim, multi_scale):
        assert (measure(clean, little) > measure(clean, much)).all()
        much.requires_grad_()
        (gradient,) = torch.autograd.grad(measure(clean, much).sum(), much)
        assert torch.isfinite(gradient).all()
        assert float(gradient.abs().max()) > 0


def test_images_smaller_than_a_window() -> None:
    clean, noisy = pair(0.1, 8)
    assert (ssim(clean, noisy) < 0.999).all()
    assert torch.isfinite(multi_scale(clean, 1 - clean)).all()


def test_blur_is_that_of_scipy_inside() -> None:
    clean, _ = pair(0.1, 32)
    mine = blurred(clean, torch.tensor([0.0, 1.5]), 6)
    assert torch.allclose(mine[0], clean[0], atol=1e-6)
    theirs = gaussian_filter(clean[1].numpy(), (0, 1.5, 1.5), truncate=4.0)
    assert np.abs(mine[1].numpy() - theirs)[:, 8:-8, 8:-8].max() < 1e-5
