"""Experiments, scores, tables and figures."""
