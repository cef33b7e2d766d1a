"""Faces in photos: found, aligned to a canvas, embedded, and noise laid back over them."""
