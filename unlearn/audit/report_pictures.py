"""Images of the report: before, after, and the difference made visible; all inline."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unlearn.audit.report_text import escaped, plural
from unlearn.images import Pixels, max_levels, png

GAIN = 10
TINY = 160


@dataclass(frozen=True)
class Example:
    """An image before and after protection: uint8 (C, H, W); `name` is the class name."""

    name: str
    clean: Pixels
    protected: Pixels


def difference(example: Example, gain: int = GAIN) -> Pixels:
    """Gray where nothing changed: 128 + gain * (protected - clean), uint8 (C, H, W)."""
    change = example.protected.astype(np.int16) - example.clean
    return (128 + gain * change).clip(0, 255).astype(np.uint8)


def gallery(examples: Sequence[Example]) -> str:
    """Each example as three images; the page's script lays the first two over each other with a slider."""
    return f'<div class="examples">{"".join(map(_example, examples))}</div>'


def _example(example: Example) -> str:
    views = (
        ("clean", example.clean),
        ("protected", example.protected),
        (f"difference times {GAIN}", difference(example)),
    )
    levels = max_levels(example.clean[None], example.protected[None])
    caption = f"{example.name}: largest change {plural(levels, 'level')} of 255"
    pictures = "".join(_picture(pixels, f"{example.name}, {what}") for what, pixels in views)
    return (
        f'<figure class="example"><div class="views">{pictures}</div>'
        f"<figcaption>{escaped(caption)}</figcaption></figure>"
    )


def _picture(pixels: Pixels, label: str) -> str:
    height, width = pixels.shape[1:]
    data = base64.b64encode(png(pixels)).decode()
    # Smoothing would hide the pattern of small images; large ones are shown smaller than they are.
    small = ' class="tiny"' if max(height, width) <= TINY else ""
    size = f'width="{width}" height="{height}"'
    return f'<img{small} {size} alt="{escaped(label)}" src="data:image/png;base64,{data}">'
