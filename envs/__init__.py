"""Worlds whose factors are known, and their Gymnasium face. Importing this package registers `disco/...`."""
