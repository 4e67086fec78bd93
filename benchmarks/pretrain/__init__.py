"""The benchmark pretrain: a representation of a world, saved for a policy."""

from benchmarks.pretrain.run import main

__all__ = ["main"]
