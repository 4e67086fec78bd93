"""Planners over (dynamics, cost), batched, knowing no learner and no world."""

from .cem import cem as cem
from .cem import cem_search as cem_search
from .costs import obstacle_cost as obstacle_cost
from .ilqr import ilqr as ilqr
from .problem import Plan as Plan
from .problem import Problem as Problem
