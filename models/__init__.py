"""What a mark looks like: pictures in, embeddings and Vienna codes out. Knows no SQL and no HTTP."""
