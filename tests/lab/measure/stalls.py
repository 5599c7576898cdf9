"""What must not move the service: parts of our layer that stand still for a while, and a host that is busy."""

from __future__ import annotations

import contextlib
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab.lab import Lab
from lab.node import Node
from lab.pair import RESTART
from lab.processes import inside, kill_group, start

from .faults import SAVED
from .peers import Peer

STALL = 5.0
BUSY, LOOPS = 60.0, 16
AFTER = 5.0  # seconds in which what a stall set off would show itself


@dataclass(frozen=True)
class Calm:
    """One run: did cranectld move or begin anew, and the longest gap that the client saw."""

    moved: bool
    gap: float


def keepalived(node: Node) -> list[int]:
    """Its two processes; the child first, which speaks VRRP."""
    parent = node.main_pid("keepalived.service")
    told = node.run(["pgrep", "--parent", str(parent), "keepalived"]).stdout
    return [*map(int, told.split()), parent]


def heartbeat(node: Node) -> list[int]:
    """The process beside cranectld."""
    return node.beside()


@contextlib.contextmanager
def stalled(node: Node, pids: list[int]) -> Iterator[None]:
    for pid in pids:
        node.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(STALL)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(AssertionError):  # it was killed meanwhile
                node.kill(pid, signal.SIGCONT)


def stall(*whose: Callable[[Node], list[int]]) -> Callable[[Lab, Node], None]:
    def run(_lab: Lab, active: Node) -> None:
        with stalled(active, [pid for processes in whose for pid in processes(active)]):
            pass

    return run


def busy(lab: Lab, _active: Node) -> None:
    """Loops in the lab's pid namespace, so that they end with it, whatever happens; of the usual niceness."""
    loop = [*inside(lab.init, "pid"), sys.executable, "-IBc", "while True: pass"]
    loops = [start(loop) for _ in range(LOOPS)]
    try:
        time.sleep(BUSY)
    finally:
        for each in loops:
            kill_group(each)
            each.communicate()


STALLS: tuple[tuple[str, Callable[[Lab, Node], None]], ...] = (
    ("keepalived of the active node stalled for 5 s", stall(keepalived)),
    ("its heartbeat stalled for 5 s", stall(heartbeat)),
    ("both stalled for 5 s", stall(keepalived, heartbeat)),
    ("16 busy loops on the host for 60 s", busy),
)


def measure(peer: Peer, lab: Lab, what: Callable[[Lab, Node], None]) -> Calm:
    """One run, from both nodes' power on. Raises AssertionError when they were not even ready for it."""
    lab.restore(SAVED)
    lab.start()
    peer.wait_ready(lab)
    active = lab.active()
    assert active, "nobody serves"
    before, began = active.main_pid(), time.monotonic()
    what(lab, active)
    time.sleep(AFTER)
    return Calm(not is_untouched(lab, active, before), lab.client.outage(began))


def is_untouched(lab: Lab, active: Node, main: int) -> bool:
    """Does the same cranectld still serve, alone?"""
    try:
        return lab.active() is active and active.main_pid() == main
    except AssertionError:  # two of them
        return False


def row(name: str, runs: list[Calm]) -> str:
    gaps = [run.gap for run in runs]
    if not runs:
        return f"| {name} | not measured | | |"
    longer = sum(gap > RESTART for gap in gaps)
    figure = f"{statistics.median(gaps):.2f} / {max(gaps):.2f}"
    return f"| {name} | {sum(run.moved for run in runs)} of {len(runs)} | {longer} of {len(runs)} | {figure} |"
