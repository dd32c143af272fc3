"""Embeddings: texts as points, so that what means the same lies near one another whatever its words."""
