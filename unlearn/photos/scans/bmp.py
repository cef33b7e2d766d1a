"""BMP: headers, palette, pixels, an optional color profile, and nothing else."""

from collections.abc import Iterator

from unlearn.photos import signatures
from unlearn.photos.scans import _embedded

_SIZES = {12, 40, 52, 56, 64, 108, 124}
_JPEG, _PNG = 4, 5
_EMBEDDED_PROFILE = 0x4D424544  # 'MBED'
_SLACK = 4  # pixels are aligned; some writers count two bytes too many


def findings(data: bytes) -> Iterator[str]:
    """What a BMP holds besides one picture and its color profile."""
    if data[:2] != b"BM" or len(data) < 26:
        yield "does not start as a BMP"
        return
    begin, header = _number(data, 10), _number(data, 14)
    if header not in _SIZES or begin < 14 + header:
        yield "its header is damaged"
        return
    compression = _number(data, 30) if header >= 40 else 0
    if compression in (_JPEG, _PNG):
        yield "holds a JPEG or PNG instead of pixels"
        return
    spans = [
        (0, 14 + header + _palette(data, header, compression)),
        (begin, begin + _pixels(data, header, compression)),
    ]
    place, size = _number(data, 14 + 112), _number(data, 14 + 116)
    if header == 124 and _number(data, 14 + 56) == _EMBEDDED_PROFILE and size:
        spans.append((14 + place, 14 + place + size))
        yield from _embedded.profile(data[14 + place : 14 + place + size])
    for start, stop in _embedded.gaps(spans, len(data)):
        loose = data[start:stop]
        kinds = [kind for kind, _ in signatures.find(loose)]
        if len(loose) > _SLACK or kinds:
            yield f"{len(loose)} bytes at byte {start} belong to no picture" + (
                f" ({', '.join(kinds)})" if kinds else ""
            )


def exif_block(data: bytes) -> bytes | None:
    """A BMP has no EXIF."""
    return None


def _number(data: bytes, position: int, size: int = 4) -> int:
    return int.from_bytes(data[position : position + size], "little")


def _palette(data: bytes, header: int, compression: int) -> int:
    bits = _number(data, 24 if header == 12 else 28, 2)
    masks = {3: 12, 6: 16}.get(compression, 0) if header == 40 else 0
    if bits > 8:
        return masks + 4 * min(_number(data, 46) if header >= 40 else 0, 256)
    colors = (_number(data, 46) if header >= 40 else 0) or 1 << bits
    return masks + min(colors, 256) * (3 if header == 12 else 4)


def _pixels(data: bytes, header: int, compression: int) -> int:
    """Bytes of the pixels: computed from the size, or as stated where they are run-length coded."""
    if compression in (1, 2):
        return _number(data, 34)
    if header == 12:
        width, height, bits = _number(data, 18, 2), _number(data, 20, 2), _number(data, 24, 2)
    else:
        width, height, bits = _number(data, 18), _number(data, 22), _number(data, 28, 2)
        height = min(height, (1 << 32) - height)  # negative: from the top down
    return (width * bits + 31) // 32 * 4 * height
