"""The benchmark worlds: what every world looks like, and how fast it is drawn."""

from benchmarks.worlds.run import main

__all__ = ["main"]
