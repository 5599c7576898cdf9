"""What must not move the service: parts of our layer that stand still for a while, and a host that is busy."""

from __future__ import annotations

import contextlib
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.lab import Lab
from lab.node import Node
from lab.pair import RESTART
from lab.processes import inside, kill_group, start

from .at_once import at_once
from .faults import SAVED
from .peers import Peer

PAIRS = 4  # side by side on the host, so that twenty runs take as long as five
STALL = 5.0
BUSY, LOOPS = 60.0, 16
AFTER = 5.0  # seconds in which what a stall set off would show itself


@dataclass(frozen=True)
class Calm:
    """One run: did cranectld move or begin anew, and the longest gap that the client saw."""

    moved: bool
    gap: float


Disturb = Callable[[Sequence[Lab], Sequence[Node]], None]


def keepalived(node: Node) -> list[int]:
    """Its two processes; the child first, which speaks VRRP."""
    parent = node.main_pid("keepalived.service")
    told = node.run(["pgrep", "--parent", str(parent), "keepalived"]).stdout
    return [*map(int, told.split()), parent]


def heartbeat(node: Node) -> list[int]:
    """The process beside cranectld."""
    return node.beside()


def stall(*whose: Callable[[Node], list[int]]) -> Disturb:
    """Stops these processes of the active nodes for a while."""

    def disturb(_labs: Sequence[Lab], actives: Sequence[Node]) -> None:
        stopped = [(node, pid) for node in actives for processes in whose for pid in processes(node)]
        for node, pid in stopped:
            node.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(STALL)
        finally:
            for node, pid in stopped:
                with contextlib.suppress(AssertionError):  # it was killed meanwhile
                    node.kill(pid, signal.SIGCONT)

    return disturb


def busy(labs: Sequence[Lab], _actives: Sequence[Node]) -> None:
    """Loops in the first lab's pid namespace, so that they end with it, whatever happens; of the usual niceness."""
    loop = [*inside(labs[0].init, "pid"), sys.executable, "-IBc", "while True: pass"]
    loops = [start(loop) for _ in range(LOOPS)]
    try:
        time.sleep(BUSY)
    finally:
        for each in loops:
            kill_group(each)
            each.communicate()


STALLS: tuple[tuple[str, Disturb], ...] = (
    ("keepalived of the active node stalled for 5 s", stall(keepalived)),
    ("its heartbeat stalled for 5 s", stall(heartbeat)),
    ("both stalled for 5 s", stall(keepalived, heartbeat)),
    ("16 busy loops on the host for 60 s", busy),
)


def measure(peer: Peer, labs: Sequence[Lab], disturb: Disturb) -> list[Calm]:
    """A run of each pair, all at once, from their nodes' power on. Raises AssertionError when one is not even ready."""

    def ready(lab: Lab) -> Node:
        lab.restore(SAVED)
        lab.start()
        peer.wait_ready(lab)
        active = lab.active()
        assert active, "nobody serves"
        return active

    actives = at_once(ready, labs)
    before, began = [active.main_pid() for active in actives], time.monotonic()
    disturb(labs, actives)
    time.sleep(AFTER)
    return [
        Calm(not is_untouched(lab, active, main), lab.client.outage(began))
        for lab, active, main in zip(labs, actives, before)
    ]


def is_untouched(lab: Lab, active: Node, main: int) -> bool:
    """Does the same cranectld still serve, alone?"""
    try:
        return lab.active() is active and active.main_pid() == main
    except AssertionError:  # two of them
        return False


HEAD = """
| no false failover, ours | cranectld moved | gaps over 0.25 s | longest gap, s: median / max |
|---|---|---|---|"""


def row(name: str, runs: list[Calm]) -> str:
    """Of the table below that head."""
    gaps = [run.gap for run in runs]
    if not runs:
        return f"| {name} | not measured | | |"
    longer = sum(gap > RESTART for gap in gaps)
    figure = f"{statistics.median(gaps):.2f} / {max(gaps):.2f}"
    return f"| {name} | {sum(run.moved for run in runs)} of {len(runs)} | {longer} of {len(runs)} | {figure} |"
