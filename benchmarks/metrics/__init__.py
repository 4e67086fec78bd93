"""Scores: codes in, numbers out."""
