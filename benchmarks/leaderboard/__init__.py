"""The benchmark leaderboard: do learned codes that are more disentangled control better, beyond what information explains."""

from benchmarks.leaderboard.run import main, score_code

__all__ = ["main", "score_code"]
