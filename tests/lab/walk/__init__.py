"""The chaos walk: a seed becomes a plan of faults and mendings (plan.py), which is walked on a lab (walker.py)."""

from __future__ import annotations

from .plan import Round, plan
from .walker import Violation, Walker, new_walk

__all__ = ["Round", "Violation", "Walker", "new_walk", "plan"]
