"""The words in which plans and summaries speak of files."""

from collections import Counter
from collections.abc import Iterable

from unlearn.photos import sniffing

NOT_COVERED = (
    "Programs that know a face already (face search, matchers, phone albums): this noise acts on networks that are "
    "trained on these photos, not on finished ones.",
    "Large networks pretrained elsewhere, and training that fights such noise: they resist more or less; "
    "`unlearn audit` measures how much.",
    "Photos of these persons that were published before, or that others publish without noise.",
    "Videos, Live Photo videos and RAW files: they are not protected, and clean frames and previews are inside.",
)
INTENSITY = "epsilon is the most that a pixel may change before the file is encoded; JPEG adds its own rounding"


def group(reason: str, format: str) -> str:
    """A reason for leaving a file out, without the names in it, so that equal ones can be counted."""
    if reason.startswith("RAW twin"):
        return "RAW twins of photos (they hold clean previews)"
    if reason.startswith("Live Photo"):
        return "videos of Live Photos (they hold clean frames)"
    if format in sniffing.RAW:
        return "RAW files (they hold clean previews)"
    if format in sniffing.VIDEO:
        return "videos"
    return _without_numbers(reason) or "no photo"


def _without_numbers(reason: str) -> str:
    """`4000x3000 pixels, more than ...` and its like fall into one group."""
    return " ".join("N" if any(c.isdigit() for c in word) and len(word) > 4 else word for word in reason.split())


def counted(counts: Counter[str], most: int = 12) -> list[str]:
    """`  112  videos`, the largest first."""
    lines = [f"  {count:>7,}  {name}" for name, count in sorted(counts.items(), key=lambda c: (-c[1], c[0])) if count]
    return [*lines[:most], *([f"           and {len(lines) - most} more kinds"] if len(lines) > most else [])]


def size(count: float) -> str:
    """`4.7 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def photos(count: int) -> str:
    """`1 photo`, `23 photos`."""
    return f"{count:,} photo{'' if count == 1 else 's'}"


def some(names: Iterable[str], most: int = 10) -> list[str]:
    """Indented lines, the first few."""
    listed = list(names)
    lines = [f"    {name}" for name in listed[:most]]
    return [*lines, *([f"    and {len(listed) - most:,} more"] if len(listed) > most else [])]
