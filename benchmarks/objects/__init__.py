"""The benchmark objects: scenes learned as sets of objects."""

from benchmarks.objects.run import main

__all__ = ["main"]
