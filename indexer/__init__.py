"""The register, kept and searchable: SQL is the truth, FAISS the cache."""
