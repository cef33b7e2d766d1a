"""Which samples are protected; reads neither torch nor numpy until it is used, because recipes name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from unlearn.errors import DataError
from unlearn.quantities import Share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from unlearn.datasets import ImageDataset


@dataclass(frozen=True)
class Target:
    """A share of the training samples, stratified by class, within the classes named (none named: all)."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    portion: Share = 1.0
    classes: tuple[str, ...] = ()

    def mask(self, data: ImageDataset, seed: int) -> NDArray[np.bool_]:
        """True where a sample is to be protected, shape (N,).

        Raises:
            DataError: for a class that the data do not have, and when nothing is left to protect.
        """
        import numpy as np

        from unlearn.datasets import stratified

        unknown = sorted(set(self.classes) - set(data.names))
        if unknown:
            raise DataError(f'target.classes: no class "{unknown[0]}"; there are: {", ".join(data.names)}')
        wanted = [i for i, name in enumerate(data.names) if not self.classes or name in self.classes]
        candidates = np.flatnonzero(np.isin(data.labels, wanted))
        count = round(self.portion * len(candidates))
        if not count:
            raise DataError(f"target: {self.portion:g} of {len(candidates)} samples leaves nothing to protect")
        mask = np.zeros(len(data), dtype=np.bool_)
        mask[candidates[stratified(data.take(candidates), count, seed)]] = True
        return mask
