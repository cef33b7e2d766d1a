"""The protected data set that others receive: formats, card, checksums and their verification."""
