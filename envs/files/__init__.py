"""Readers of what people have on disk."""
