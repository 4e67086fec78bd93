"""The benchmark speed: how fast everything is."""

from benchmarks.speed.run import main

__all__ = ["main"]
