"""The frozen surrogate of the noise steps: batch normalization folded into the convolutions.

Exact in real arithmetic, and a third of the memory traffic less.
"""

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse


def folded(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode, without gradients for weights and with foldable normalization folded."""
    frozen = fuse(network.eval())
    frozen.requires_grad_(False)
    return frozen.to(memory_format=torch.channels_last)
