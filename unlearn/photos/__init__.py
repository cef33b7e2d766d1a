"""Personal photo archives: find, read, protect, write, prove. Torch-free, so that worker processes stay small."""
