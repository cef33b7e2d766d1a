"""What mixup and cutmix share: Beta-distributed shares, and the cross-entropy of two labels."""

import torch
import torch.nn.functional as F
from scipy.special import betaincinv
from torch import Tensor

from unlearn.randomness import Draws


def shares(draws: Draws, stream: str, alpha: float) -> Tensor:
    """Beta(alpha, alpha) draws, float32 (B,), from uniform ones by the inverse distribution function."""
    uniform = draws.uniform(stream).double().cpu().numpy()
    return torch.from_numpy(betaincinv(alpha, alpha, uniform)).to(draws.keys.device, torch.float32)


def cross_entropy(logits: Tensor, labels: Tensor, others: Tensor, share: Tensor) -> Tensor:
    """Mean over the batch of share * loss for the own label + the rest * loss for the other's; share (B,)."""
    own, other = (F.cross_entropy(logits, target, reduction="none") for target in (labels, others))
    return (share * own + (1 - share) * other).mean()
