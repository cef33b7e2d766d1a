"""What surrounds the pixels in a written file: the blocks that the metadata rules let through."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Blocks:
    """Metadata ready to be written.

    exif: starts with the TIFF header, holds no thumbnail unless it was made from the protected pixels; or None.
    xmp: a filtered packet, or None. icc: the source's profile, or None.
    dropped: what was left behind, counted by kind, such as {"gps": 1, "thumbnail": 1, "maker note": 1}.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    icc: bytes | None = None
    dropped: Counter[str] = field(default_factory=Counter)
