"""Learners: one paper, one file, and one training loop for all of them."""
