"""One file a format: the walk over its real structure that finds what travels besides the main picture."""
