"""The benchmark maze: factors that an agent can control on their own, and going to a goal by composing them."""

from benchmarks.maze.run import main

__all__ = ["main"]
