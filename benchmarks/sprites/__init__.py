"""The benchmark sprites: disentanglement without labels."""

from benchmarks.sprites.run import main

__all__ = ["main"]
