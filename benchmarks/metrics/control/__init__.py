"""What an agent can do with a code: control scores, each 0 for a random policy and 1 for an oracle on the true state."""

from benchmarks.metrics.control.consumers import CONSUMERS, Bench, Found, Sizes, policy
from benchmarks.metrics.control.task import TASKS, ControlTask, make_task

__all__ = ["CONSUMERS", "TASKS", "Bench", "ControlTask", "Found", "Sizes", "make_task", "policy"]
