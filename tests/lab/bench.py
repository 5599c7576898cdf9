"""make bench: the client's outage after each fault, ours beside the guide's hand-written set-up, in one lab and run.

Prints a table in Markdown: median / max (runs) in seconds. It judges nothing. RUNS=3 make bench for a quick look.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import VIP, Lab, Node
from lab.guide import install_guide
from lab.pair import Pair, install, new_lab, set_up

RUNS = int(os.environ.get("RUNS", "10"))
LIMIT = 25.0  # seconds after which an outage counts as one without end
READY = 60.0


@dataclass(frozen=True)
class Fault:
    """What is done to the active node; ``guide_runs`` is less where the guide's set-up never comes back."""

    name: str
    do: Callable[[Node], object]
    guide_runs: int = RUNS


def shell(command: str) -> Callable[[Node], object]:
    """A fault that is a command on the node."""
    return lambda node: node.run(command, check=False)


FAULTS = (
    Fault("kill -9 cranectld", lambda node: node.kill("cranectld.service")),
    Fault("power loss, lock freed at once", lambda node: node.power_off_hard()),
    Fault("link of the active node cut", lambda node: node.link(False), guide_runs=2),
    Fault("systemctl stop keepalived", shell("systemctl stop keepalived"), guide_runs=2),
    Fault("kill -9 keepalived", lambda node: node.kill("keepalived.service"), guide_runs=2),
    Fault("planned hand-over (systemctl restart cranectld)", shell("systemctl restart cranectld")),
    Fault("partition of 6 s, then healing", lambda node: partition(node.lab), guide_runs=2),
)


def main() -> None:
    """Measure both set-ups and print the table."""
    print("outage in seconds that a client sees, median / max (runs); stand-in cranectld: start 0.30 s, stop 0.20 s\n")
    with Lab() as lab:
        lab.start()
        install_guide(lab)
        guide = measure_all(lab, lambda fault: fault.guide_runs, ready_guide)
    with new_lab() as lab:
        lab.start()
        install(lab)
        dry_runs = [seconds_of(lab.node1, f"crane-ha-setup --role master --vip {VIP} --dry-run") for _ in range(RUNS)]
        set_up(lab)
        ours = measure_all(lab, lambda fault: RUNS, lambda lab: Pair(lab).wait_ready())
    print("| fault | guide | crane-keepalived |\n|---|---|---|")
    for fault in FAULTS:
        print(f"| {fault.name} | {figure(guide[fault.name])} | {figure(ours[fault.name])} |")
    ratio = statistics.median(guide[FAULTS[0].name]) / statistics.median(ours[FAULTS[0].name])
    print(f"\n{FAULTS[0].name}: the guide's outage is {ratio:.1f} times ours (medians)")
    print(f"crane-ha-setup --dry-run: {figure(dry_runs)} s")


def measure_all(lab: Lab, runs: Callable[[Fault], int], ready: Callable[[Lab], None]) -> dict[str, list[float]]:
    """The outages after each fault, each run from the same disks."""
    ready(lab)
    lab.save("ready")
    found: dict[str, list[float]] = {}
    for fault in FAULTS:
        found[fault.name] = [measure(lab, fault, ready) for _ in range(runs(fault))]
        print(
            f"  {fault.name}: {' '.join(f'{outage:.2f}' for outage in found[fault.name])}", file=sys.stderr, flush=True
        )
    return found


def measure(lab: Lab, fault: Fault, ready: Callable[[Lab], None]) -> float:
    """One run: the longest gap between two answers; infinite when the client is not answered again within LIMIT."""
    lab.restore("ready")
    lab.start()
    ready(lab)
    active = lab.active()
    assert active
    began = time.monotonic()
    fault.do(active)
    # long enough for a second outage to show itself
    while time.monotonic() - began < 4 or (not lab.client.served_by() and time.monotonic() - began < LIMIT):
        time.sleep(0.05)
    return lab.client.outage(began) if lab.client.served_by() else float("inf")


def ready_guide(lab: Lab) -> None:
    """The guide's set-up serves, and both its nodes run keepalived."""
    lab.wait_until(
        "the guide's set-up serves",
        lambda: lab.client.served_by() and all(n.unit_state("keepalived.service") == "active" for n in lab.nodes),
        READY,
    )


def partition(lab: Lab) -> None:
    """The nodes do not hear each other for six seconds."""
    lab.partition()
    time.sleep(6)
    lab.heal()


def seconds_of(node: Node, command: str) -> float:
    """Wall-clock seconds of a command on a node, without the way into the node."""
    timer = f"import subprocess, time; t = time.monotonic(); subprocess.run({command.split()!r}, stdout=-3, stderr=-3);"
    return float(node.run(["python3", "-c", timer + "print(time.monotonic() - t)"]).stdout)


def figure(seconds: Sequence[float]) -> str:
    """median / max (runs)"""
    if float("inf") in seconds:
        return f"not back after {LIMIT:.0f} s ({sum(s == float('inf') for s in seconds)} of {len(seconds)})"
    return f"{statistics.median(seconds):.2f} / {max(seconds):.2f} ({len(seconds)})"


if __name__ == "__main__":
    main()
