"""Numbers as recipes write them: `8/255`, and the bounds they must keep."""

import math
import re
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

LEVELS = 255
FINE = 256  # steps of a level in which noise is kept that is scaled or interpolated before it is rounded

FINEST = (2**15 - 1) / FINE / LEVELS  # budget that 16 bits hold in such steps: 127/255 and a little more


def parse(value: Any) -> float:
    """`8/255`, `0.03` or a number as a float.

    Raises:
        ValueError: for anything else, in words; a division by zero too, because pydantic lets other
            exceptions through as tracebacks.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"expected a number such as 8/255, got {value!r}")
    try:
        number = float(Fraction(value.replace(" ", ""))) if isinstance(value, str) else float(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        return _slash(value)
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number such as 8/255, got {value!r}")
    return number


def _slash(value: Any) -> float:
    numerator, _, denominator = str(value).partition("/")
    try:
        return float(numerator) / float(denominator)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f'expected a number such as 8/255, got "{value}"') from None


def text(value: float) -> str | float:
    """The fraction of 255 that a person would write: 8/255, 0.8/255; other numbers as they are."""
    levels = round(value * LEVELS, 6)
    return f"{levels:g}/{LEVELS}" if math.isclose(levels / LEVELS, value, abs_tol=1e-9) else value


_FORM = (BeforeValidator(parse), PlainSerializer(text))
# A budget below one level of an 8-bit pixel changes nothing in a saved file.
LEAST = 1 / LEVELS - 1e-12
Epsilon = Annotated[float, *_FORM, Field(ge=LEAST, le=1.0)]
StepSize = Annotated[float, *_FORM, Field(gt=0.0, le=1.0)]
Share = Annotated[float, BeforeValidator(parse), Field(gt=0.0, le=1.0)]
Rate = Annotated[float, BeforeValidator(parse), Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(ge=1)]


def whole_levels(epsilon: float) -> int:
    """The largest whole number of 8-bit levels within epsilon: 8/255 -> 8, 8.5/255 -> 8."""
    return math.floor(epsilon * LEVELS + 1e-6)


UNITS = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kKmMgGtT]?i?[bB])?")


def parse_size(value: Any) -> int:
    """`2GB`, `1.5 GiB` or a whole number of bytes, as bytes.

    Raises:
        ValueError: for anything else, in words.
    """
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    units = {name.lower(): size for name, size in UNITS.items()}
    match = _SIZE.fullmatch(text)
    size = units.get((match[2] or "B").lower()) if match else None
    if match is None or size is None or (match[2] is None and "." in text):
        raise ValueError(f"expected a size such as 2GB, 500MB or a number of bytes, got {_shown(value)}")
    return int(Fraction(match[1]) * size)


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def size_text(size: int) -> str:
    """The size as a person would write it, exactly: 2GB, 1500MB, 2049B."""
    name = next(name for name in ("TB", "GB", "MB", "KB", "B") if size % UNITS[name] == 0)
    return f"{size // UNITS[name]}{name}"


Size = Annotated[int, BeforeValidator(parse_size), PlainSerializer(size_text), Field(ge=1)]
