"""The frozen surrogate of the noise steps: batch normalization folded into the convolutions.

Exact in real arithmetic, and a third of the memory traffic less. In bfloat16 its weights are cast once a round; mixed
precision would cast weights that need no gradient in every step, to the same bits.
"""

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse

CAST = (nn.Conv2d, nn.Linear)  # what mixed precision runs in bfloat16; normalization that stays keeps its statistics


def folded(network: nn.Module, precision: torch.dtype = torch.float32) -> nn.Module:
    """A copy in evaluation mode, without gradients for weights and with foldable normalization folded.

    Args:
        precision: of the weights of convolutions and linear layers; they are folded in float32 first. In bfloat16 the
            copy is to be called under `training.autocast`, which casts the images.
    """
    frozen = fuse(network.eval())
    frozen.requires_grad_(False)
    for module in frozen.modules():
        if precision != torch.float32 and isinstance(module, CAST):
            module.to(precision)
    return frozen.to(memory_format=torch.channels_last)
