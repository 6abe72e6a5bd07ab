"""What a mark looks like: pictures in, embeddings and Vienna codes out; no SQL, no HTTP."""
