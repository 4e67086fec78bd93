"""The benchmark video: what stays and what moves in clips."""

from benchmarks.video.run import main

__all__ = ["main"]
