"""Waiting for a state with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import time
from typing import Callable

STEP = 0.03


def wait_until(
    description: str, predicate: Callable[[], object], deadline: float, diagnose: Callable[[], str] | None = None
) -> float:
    """Waits until `predicate` gives something true; returns the seconds it took.

    Raises AssertionError after `deadline` seconds, naming the state, the seconds and what `diagnose` tells.
    """
    started = time.monotonic()
    problem = ""
    while True:
        try:
            if predicate():
                return time.monotonic() - started
            problem = ""
        except AssertionError as error:  # a program in a node that is just going down, say
            problem = f"\nthe last try: {error}"
        if time.monotonic() - started > deadline:
            told = f"\n{diagnose()}" if diagnose else ""
            raise AssertionError(f"not within {deadline:g} s: {description}{problem}{told}")
        time.sleep(STEP)
