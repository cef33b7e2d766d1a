"""Who is who in an archive without labels: faces found, embedded and grouped, for a person to look through.

Embeddings of faces are biometric data: they stay in one folder that only its owner may read, and are in no log.
"""
