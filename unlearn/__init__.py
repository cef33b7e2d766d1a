"""unlearn: make images useless for training, and say honestly what that holds against."""

__version__ = "0.1.0"
