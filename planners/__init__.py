"""Planners over (dynamics, cost), batched, knowing no learner and no world."""
