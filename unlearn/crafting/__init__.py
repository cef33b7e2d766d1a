"""How noise is crafted: the problem, the one bi-level loop, its state and its processes."""
