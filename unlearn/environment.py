"""Versions and devices that decide a result, for the records beside it."""

import platform

import numpy as np
import torch

import unlearn


def versions() -> dict[str, str]:
    """Of this project, torch, numpy and Python."""
    return {
        "unlearn": unlearn.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def device_name(device: torch.device) -> str:
    """The GPU's product name, or the kind of device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
