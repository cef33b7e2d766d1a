"""The words in which plans and summaries speak of files."""

from collections import Counter
from collections.abc import Collection, Iterable

from unlearn.photos import sniffing

_LARGE = (
    "Large networks pretrained elsewhere, and training that fights such noise: they resist more or less; "
    "`unlearn audit` measures how much."
)
_OTHERS = "Photos of these persons that were published before, or that others publish without noise."
_VIDEOS = "Videos, Live Photo videos and RAW files: they are not protected, and clean frames and previews are inside."
_UNMATCHED = (
    "Programs that know a face already (face search, matchers, phone albums): this noise acts on networks that are "
    "trained on these photos, not on finished ones."
)
_UNTRAINED = "Networks that are trained on these photos: this noise acts on finished recognisers of faces only."
_RECOGNISERS = (
    "Recognisers unlike those that the noise was made with, and those that were trained against such noise: most of "
    "the effect may be gone; `unlearn audit` measures how much is left for some."
)
_DIRECTIONS = "A clean photo of the same person: it is recognised wherever other clean photos of the person are known."
_FACES = "Faces that the detector did not find, and everything that gives a person away but the face."


def not_covered(threats: Collection[str] = ("training",)) -> tuple[str, ...]:
    """What noise against these threats does not do; training and matching are two claims, never one."""
    matching = (_RECOGNISERS, _DIRECTIONS, _FACES) if "matching" in threats else (_UNMATCHED,)
    training = (_LARGE,) if "training" in threats else (_UNTRAINED,)
    return (*matching, *training, _OTHERS, _VIDEOS)


def one_key_for_all(count: int) -> str:
    """A warning where photos of several people may share a key: see faces-nameless.json in data/results."""
    return (
        f"WARNING: nobody is named in {photos(count)}, so that all faces there share one key: of several people it "
        "hides little from recognisers; name them with `unlearn people scan` or --people folders"
    )


KEYS_ARE_QUICK = (  # see faces-other-half.json in data/results
    "one key a person is the quick way, and the weak one on photos that it was not learned from; noise of its own for "
    "every photo hides faces much better: --recipe faces/cloak-mid, some seconds a photo and core"
)


def against(threats: Collection[str], detector: str) -> str:
    """`against: training on the photos (noise over the whole photo)`."""
    faces = f"noise on faces, found by {detector}" if detector else ""
    how = {"training": "noise over the whole photo" if "matching" in threats or not detector else faces}
    kinds = {"training": "training on the photos", "matching": "matching of faces by finished recognisers"}
    named = [f"{kinds.get(each, each)} ({how.get(each, faces)})" for each in sorted(threats, reverse=True)]
    return f"against: {'; '.join(named)}"


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
