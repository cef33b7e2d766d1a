"""Versions of the libraries that decide bytes, for the record of every run."""

import importlib.metadata
import platform

from PIL import features

PACKAGES = ("numpy", "pillow", "pillow-heif", "imagecodecs", "tifffile", "opencv-python-headless", "opencv-python")
CODECS = ("jpg", "zlib", "webp", "avif", "libtiff")


def versions() -> dict[str, str]:
    """Of Python, of packages that are installed, and of the codecs inside Pillow."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    for name in CODECS:
        version = features.version(name)
        if version:
            found[f"pillow {name}"] = str(version)
    turbo = features.version_feature("libjpeg_turbo")
    return found | ({"libjpeg-turbo": str(turbo)} if turbo else {})
