"""make chaos: a random walk over all faults, judged at every step. Replay: the same N and SEED.

    chaos.py N [SEED] [--round R] [--go-on]

Prints the seed first, then every step with its number and its monotonic time. The exit code is 1 when an invariant was
broken: then what was done, the ledger around it, and both nodes' journals are printed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab.pair import new_lab
from lab.walk import Violation, new_walk, plan
from lab.walk.walker import again


def main() -> int:
    """Plan, walk, tell; returns the exit code."""
    parser = argparse.ArgumentParser(description="a random walk over all faults of the lab")
    parser.add_argument("faults", type=int, metavar="N", help="how many faults")
    parser.add_argument("seed", type=int, nargs="?", default=int(time.time()), metavar="SEED", help="default: the time")
    parser.add_argument("--round", type=int, metavar="R", help="only this round of the walk")
    parser.add_argument("--go-on", action="store_true", help="after a violation go on, from the nodes as they were")
    asked = parser.parse_args()
    say(f"chaos: seed {asked.seed}; to replay: tests/lab/chaos.py {asked.faults} {asked.seed}")
    rounds = [each for each in plan(asked.seed, asked.faults) if asked.round in (None, each.number)]
    violations: list[str] = []
    with new_lab() as lab:
        walker = new_walk(lab, say)
        for each in rounds:
            try:
                walker.round(each)
            except Violation as violation:
                say(f"{violation}\nseed {asked.seed}, round {each.number}")
                violations.append(f"round {each.number}: {str(violation).splitlines()[0]}")
                if not asked.go_on:
                    break
                say(walker.summary())
                walker = again(lab, say)
        say(walker.summary())
    say("\n".join([f"seed {asked.seed}: {len(violations)} violations", *violations]))
    return int(bool(violations))


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("\ninterrupted: the lab is gone, nothing stays behind")
        sys.exit(130)
