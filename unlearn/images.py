"""Images at the borders: hostile bytes in, lossless bytes out, and what a change costs in quality.

Inside, images are uint8 or float arrays in (N, C, H, W) order; floats lie in [0, 1].
"""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from unlearn import placing
from unlearn.errors import DataError
from unlearn.quantities import LEVELS

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
MAX_PIXELS = 100_000_000
Pixels = NDArray[np.uint8]


def decode(source: bytes | Path, where: str) -> Image.Image:
    """Open an encoded image whole, upright, as RGB or L.

    Raises:
        DataError: naming `where`, for a truncated file, a format outside FORMATS, or more than
            MAX_PIXELS pixels (checked before decoding).
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(stream, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(f"{where}: {image.width}x{image.height} pixels, more than {MAX_PIXELS:,}")
                return to_rgb_or_gray(ImageOps.exif_transpose(image))
    except DataError:
        raise
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        raise DataError(f"{where}: not a readable image ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    text = str(error).split("\n")[0]
    return "unknown or unsupported format" if "cannot identify" in text else text[:120] or type(error).__name__


def to_rgb_or_gray(image: Image.Image) -> Image.Image:
    """Gray stays gray, 16-bit gray is scaled to 8 bits, everything else becomes RGB; transparency shows black.

    Dropping alpha would bring back colors that the picture hides.
    """
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", clear.size, "black"), clear).convert(
            "L" if image.mode == "LA" else "RGB"
        )
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.int64)
        return Image.fromarray((deep.clip(0, 65535) // 257).astype(np.uint8))
    if image.mode in ("1", "L"):
        return image.convert("L")
    return image.convert("RGB")


def to_array(image: Image.Image) -> Pixels:
    """uint8 array of shape (C, H, W)."""
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def to_image(pixels: Pixels) -> Image.Image:
    """A Pillow image from a uint8 array of shape (C, H, W), C being 1 or 3."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def png(pixels: Pixels) -> bytes:
    """Lossless PNG bytes without any metadata, the same for the same pixels."""
    stream = io.BytesIO()
    to_image(pixels).save(stream, format="PNG", optimize=False, compress_level=6)
    return stream.getvalue()


@dataclass(frozen=True)
class Quality:
    """What a change costs: the largest change in levels of 255, mean PSNR in dB, mean and worst SSIM."""

    max_levels: int
    psnr: float
    ssim: float
    worst_ssim: float
    images: int


def quality(clean: Pixels, changed: Pixels, sample: int = 500) -> Quality:
    """Compare uint8 arrays of shape (N, C, H, W); PSNR and SSIM on `sample` evenly spaced images.

    SSIM: Wang et al., IEEE TIP 2004, as in scikit-image with its default window.
    """
    from skimage.metrics import structural_similarity  # slow import, needed by reports only

    largest = max_levels(clean, changed)
    chosen = np.unique(np.linspace(0, len(clean) - 1, min(sample, len(clean))).astype(int))
    window = min(7, (min(clean.shape[2:]) - 1) // 2 * 2 + 1)
    pairs = [(clean[i], changed[i]) for i in chosen]
    ssims = [
        structural_similarity(a, b, channel_axis=0, data_range=LEVELS, win_size=window) if window >= 3 else 1.0
        for a, b in pairs
    ]
    return Quality(
        max_levels=largest,
        psnr=float(np.mean([psnr(a, b) for a, b in pairs])),
        ssim=float(np.mean(ssims)),
        worst_ssim=float(np.min(ssims)),
        images=len(pairs),
    )


def max_levels(clean: Pixels, changed: Pixels, block: int = 4096) -> int:
    """Largest absolute difference in levels of 255, block by block to bound memory."""
    parts = placing.blocks(clean, block, values=2)
    return max(int(np.abs(np.int16(clean[part]) - changed[part]).max()) for part in parts)


def psnr(clean: Pixels, changed: Pixels) -> float:
    """Peak signal-to-noise ratio in dB; 100 for equal images, so that means stay finite."""
    error = float(np.mean((clean.astype(np.float64) - changed) ** 2))
    return 100.0 if error == 0 else 10 * np.log10(LEVELS**2 / error)
