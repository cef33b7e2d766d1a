"""EXIF tags that may stay in a protected photo, by directory, and the metadata groups that policies choose from.

An allow-list: a tag that is not named here is dropped, whatever it holds. Numbers are those of Exif 3.0 (CIPA DC-008),
TIFF 6.0, and of Windows' own tags (0x9C9B to 0x9C9F, 0x4746, 0x4749).
"""

from dataclasses import dataclass

from unlearn.photos.writing import Writing

EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x8769, 0x8825, 0xA005
ORIENTATION = 0x0112
MAKER_NOTES = (0x927C, 0xC634)
SUB_IFDS = 0x014A
THUMBNAIL, THUMBNAIL_LENGTH = 0x0201, 0x0202
# Sizes of the stored picture: (tags of the width, tags of the height).
WIDTHS, HEIGHTS = (0x0100, 0xA002), (0x0101, 0xA003)

TEXT_TYPES = (2, 129)
UNDEFINED = (7, 1)  # some writers state plain bytes instead
_NUMBERS = (1, 3, 4, 5, 6, 8, 9, 10, 11, 12)
_LONG_TEXT = 16_384  # a caption; longer ones are no captions
_SHORT_TEXT = 1_024


@dataclass(frozen=True)
class Rule:
    """What a tag may hold: its group, its types, and at most so many bytes; `prefix` bytes come before a text."""

    group: str
    types: tuple[int, ...]
    most: int
    prefix: int = 0


def _numbers(group: str, *tags: int, most: int = 64) -> dict[int, Rule]:
    return dict.fromkeys(tags, Rule(group, _NUMBERS, most))


def _texts(group: str, *tags: int, most: int = _SHORT_TEXT) -> dict[int, Rule]:
    return dict.fromkeys(tags, Rule(group, TEXT_TYPES, most))


def _bytes(group: str, *tags: int, most: int = 4) -> dict[int, Rule]:
    return dict.fromkeys(tags, Rule(group, (1, 7), most))


IFD0 = {
    **_numbers("orientation", ORIENTATION, most=4),
    **_numbers("layout", 0x0100, 0x0101, 0x011A, 0x011B, 0x0128, 0x013E, 0x013F, 0x0211, 0x0213, 0x0214),
    **_texts("caption", 0x010E, most=_LONG_TEXT),
    **_texts("camera", 0x010F, 0x0110, 0x0131),
    **_texts("date", 0x0132, most=64),
    **_numbers("date", 0x882A),
    **_numbers("rating", 0x4746, 0x4749, most=4),
    **_bytes("caption", 0x9C9B, 0x9C9C, 0x9C9F, most=_LONG_TEXT),
    **_texts("owner", 0x013B, 0x8298, 0x013C),
    **_bytes("owner", 0x9C9D, most=_SHORT_TEXT),
    **_bytes("keywords", 0x9C9E, most=_LONG_TEXT),
    **_texts("serial number", 0xC62F),
}
EXIF = {
    **_numbers("camera", 0x829A, 0x829D, 0x8822, 0x8827, *range(0x8830, 0x8836), 0x9102, *range(0x9201, 0x920B)),
    **_numbers("camera", 0xA20B, 0xA20E, 0xA20F, 0xA210, 0xA215, 0xA217, *range(0xA401, 0xA40B), 0xA40C, 0xA432),
    **_numbers("camera", 0xA460, 0xA461, 0xA500),
    **_bytes("camera", 0x9000, 0x9101, 0xA000, 0xA300, 0xA301),
    **_texts("camera", 0xA433, 0xA434, 0xA439, 0xA43A, 0xA43B, 0xA43C),
    **_texts("date", *range(0x9003, 0x9005), *range(0x9010, 0x9013), *range(0x9290, 0x9293), most=64),
    **_numbers("layout", 0xA001, 0xA002, 0xA003, most=4),
    **_texts("caption", 0xA436),
    0x9286: Rule("caption", UNDEFINED, _LONG_TEXT, prefix=8),
    **_numbers("face regions", 0x9214, 0xA214, most=8),
    **_texts("owner", 0xA430, 0xA437, 0xA438),
    **_texts("serial number", 0xA431, 0xA435, 0xA420),
}
GPS = {
    **_bytes("gps", 0x00),
    **_numbers("gps", *range(0x01, 0x20)),
    **_texts("gps", 1, 3, 8, 9, 10, 12, 14, 16, 18, 19, 21, 23, 25, 29, most=256),
    **dict.fromkeys((27, 28), Rule("gps", UNDEFINED, _SHORT_TEXT, prefix=8)),
}
INTEROP = {
    **_texts("layout", 0x0001, most=8),
    **_bytes("layout", 0x0002),
    **_numbers("layout", 0x1001, 0x1002, most=4),
}

# What a tag outside the allow-list is called when it is counted; all others are "other tags".
DROPPED = {
    **dict.fromkeys(MAKER_NOTES, "maker note"),
    SUB_IFDS: "preview",
    THUMBNAIL: "preview",
    0x8649: "Photoshop block",
    0x935C: "Photoshop block",
    0x83BB: "IPTC block",
    0x02BC: "XMP in EXIF",
    0x8773: "color profile in EXIF",
}

_SAFE = frozenset({"orientation", "layout", "camera", "date", "rating", "caption"})
_PRIVATE = frozenset({"gps", "serial number", "owner", "keywords"})
PERSONS = frozenset({"names", "face regions"})
_GROUPS = {"strip": frozenset({"orientation"}), "safe": _SAFE, "keep": _SAFE | _PRIVATE | PERSONS}


def kept_groups(writing: Writing) -> frozenset[str]:
    """The groups that stay under the user's metadata policy."""
    groups = _GROUPS[writing.metadata]
    return groups | PERSONS if writing.names and writing.metadata == "safe" else groups
