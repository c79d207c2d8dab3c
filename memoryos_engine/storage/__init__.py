"""How records are kept: Chroma, codec, resident sets, the lock."""
