"""The benchmark identities: what it is worth to know which pictures are of the same one."""

from benchmarks.identities.run import main

__all__ = ["main"]
