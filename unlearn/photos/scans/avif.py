"""AVIF has HEIF's structure; only the coding of the pixels differs."""

from unlearn.photos.scans.heif import exif_block as exif_block
from unlearn.photos.scans.heif import findings as findings
