"""Weights that a network starts from: safetensors by path, never pickle, never a download."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from unlearn.errors import DataError


def load(network: nn.Module, path: Path) -> tuple[str, ...]:
    """Fill in the weights whose names and shapes fit, and return the names of those that start anew.

    Raises:
        DataError: not a readable file, not finite, or for another network: less than half of the weights fit.
    """
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: not a readable safetensors file of weights ({str(error)[:120]})") from error
    own = network.state_dict()
    fitting = {name: tensor for name, tensor in stored.items() if name in own and own[name].shape == tensor.shape}
    if 2 * len(fitting) < len(own):
        raise DataError(f"{path}: weights of another network; {len(fitting)} of {len(own)} fit")
    if not all(torch.isfinite(tensor).all() for tensor in fitting.values()):
        raise DataError(f"{path}: holds weights that are not finite")
    network.load_state_dict(fitting, strict=False)
    return tuple(name for name in own if name not in fitting)
