"""Protected sets that others have made: read without trust, paired with their clean originals, measured."""
