"""Worlds of sentences, and how sentences become ids."""
