"""One file a source of labels: who is in a photo, as folders, tables and other programs' files say. Only read."""
