"""What the training runs of one process have in common: images on the device, purified once for all seeds."""

import math
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from unlearn.defenses import Defense, _pixels
from unlearn.streamed import Images

BYTES = 1 << 30


@dataclass(frozen=True)
class Purified:
    """Images uint8 (N, C, H, W) after a defense, by name, the last ones used within so many bytes.

    For defenses that learn nothing: they do the same to the same images, as `Defense.purify` draws nothing, so that
    sharing changes no figure. What others have learned is not told by their names: their images have none.
    """

    room: int = BYTES
    kept: "OrderedDict[tuple[str, str], Images]" = field(default_factory=OrderedDict)
    lock: AbstractContextManager[Any] = field(default_factory=Lock)  # several runs may ask at once

    def images(self, defense: Defense, name: str, found: Callable[[], Images]) -> Images:
        """The images called `name` after the defense; `found` opens them as they are, on the device.

        Args:
            name: empty for images that are used once, and for defenses that have learned.
        """
        if not name:
            return _pixels.purified(defense, found())
        with self.lock:
            return self._kept(defense, name, found)

    def _kept(self, defense: Defense, name: str, found: Callable[[], Images]) -> Images:
        own = "" if type(defense).purify is Defense.purify else repr(defense)
        if (own, name) not in self.kept:
            self.kept[own, name] = _pixels.purified(defense, found())
        self.kept.move_to_end((own, name))
        images = self.kept[own, name]
        while self.kept and sum(map(_size, self.kept.values())) > self.room:
            self.kept.popitem(last=False)
        return images


def _size(images: Images) -> int:
    return math.prod(images.shape) * images.dtype.itemsize
