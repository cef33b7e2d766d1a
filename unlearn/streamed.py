"""Images that stay on the host and come to a device batch by batch, for sets that would not fit there."""

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from unlearn import placing
from unlearn.images import Pixels


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


Images = Tensor | Streamed


def chosen(images: Tensor | Streamed, index: Tensor) -> Tensor | Streamed:
    """The images at these positions (B,); on the CPU block by block, perhaps into a mapped file."""
    if isinstance(images, Streamed):
        return Streamed(_copied(images.host, index.to(images.host.device)), images.device)
    return _copied(images, index.to(images.device))


def _copied(images: Tensor, index: Tensor) -> Tensor:
    if images.device.type != "cpu":
        return images[index]
    out = placing.tensor((len(index), *images.shape[1:]), images.dtype)
    for block in placing.blocks(out):
        out[block] = images[index[block]]
    return out


def on_device(images: Pixels, device: torch.device) -> Tensor | Streamed:
    """Images on a device, or where they are mapped."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # nobody writes into images
        found = torch.from_numpy(images)
    if isinstance(images, np.memmap) and device.type != "cpu":
        return Streamed(found, device)
    return found.to(device)
