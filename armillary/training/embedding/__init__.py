"""Training of cross-domain embeddings: teacher, student, synthesiser, one after the other."""
