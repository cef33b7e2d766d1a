"""Images that stay on the host and come to a device batch by batch, for sets that would not fit there."""

from collections.abc import Iterator

import torch
from torch import Tensor


class Streamed:
    """Stands for a tensor (N, C, H, W) on `device`: what is taken out of it is a tensor there."""

    def __init__(self, images: Tensor, device: torch.device):
        self.host, self.device = images, device
        self.shape, self.dtype = images.shape, images.dtype

    def __len__(self) -> int:
        return len(self.host)

    def __getitem__(self, index: Tensor | slice | int) -> Tensor:
        """Copies of the images at these positions, on the device."""
        place = index.to(self.host.device) if isinstance(index, Tensor) else index
        return self.host[place].to(self.device)

    def split(self, size: int) -> Iterator[Tensor]:
        """Blocks of `size` images, each copied when it is asked for."""
        return (self[start : start + size] for start in range(0, len(self), size))
