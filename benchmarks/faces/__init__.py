"""The benchmark faces: attributes of faces, and their styles, switched."""

from benchmarks.faces.run import main

__all__ = ["main"]
