"""Agents: what acts in an environment."""
