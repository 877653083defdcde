"""Initializers that Gluon really calls: the corrected base, `corrected`, `Rules`, and the plan of what they will do."""

from .base import Initializer
from .corrected import corrected
from .errors import InitializationError
from .plan import Plan, PlanRow, plan
from .rules import Rules

__all__ = ["InitializationError", "Initializer", "Plan", "PlanRow", "Rules", "corrected", "plan"]
