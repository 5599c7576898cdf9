"""A node as faults and mendings treat it: its processes, its disk, and what was kept for the mending."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..lab import Lab
from ..node import DAEMON, Node
from ..waiting import wait_until

KEEPALIVED = "keepalived.service"
LEDGER = "/var/crane/ledger"
LEDGER_EVERY = 0.1
KNOBS = "/etc/crane/standin.conf"
CHECK = "/etc/crane-keepalived/check.d/chaos"
FILLER = "/run/chaos-filler"
GATE = "/run/crane-keepalived.gate"
# of ha.lock and cranectld.lock, in the shared storage's folder
LOCKS = "cranectld"

# what faults keep for their mending, by node and name
Memory = dict[tuple[str, str], list[Any]]


@dataclass
class Site:
    """`dice`, in [0, 1), is the plan's word on whatever a fault leaves open."""

    lab: Lab
    node: Node
    dice: float = 0.0
    memory: Memory = field(default_factory=dict)

    def keep(self, name: str, value: object) -> None:
        """For the mending."""
        self.memory.setdefault((self.node.name, name), []).append(value)

    def take(self, name: str) -> list[Any]:
        """What was kept, once."""
        return self.memory.pop((self.node.name, name), [])

    def other(self) -> Site:
        """The other node."""
        return Site(self.lab, next(node for node in self.lab.nodes if node is not self.node), self.dice, self.memory)

    # --- programs and files ----------------------------------------------------------------------------------------

    def run(self, line: str) -> str:
        """A shell line on the node; returns the line. Raises CommandFailed, which is no wonder amid other faults."""
        self.node.run(line, timeout=30)
        return line

    def insist(self, line: str, deadline: float = 60.0) -> None:
        """A shell line that a person would repeat until it works. Nothing on a node that is off: its boot does it."""

        def done() -> bool:
            return not self.node.is_on or not self.node.run(line, check=False, timeout=30).returncode

        wait_until(f"{self.node} does: {line}", done, deadline)

    def on_disk(self, line: str) -> None:
        """A shell line of the host's in the root of the node's disk; the node may be off."""
        self.lab.run(f"cd {self.node.disk}/root && {line}")

    def on_storage(self, line: str) -> None:
        """A shell line of the host's in the folder of the lock files."""
        self.lab.run(f"cd {self.lab.folder}/shared/{LOCKS} && {line}")

    def standin(self, **knobs: object) -> None:
        """Knobs of the node's stand-in from its next start on; it always writes the ledger."""
        lines = {"LEDGER": LEDGER, "LEDGER_EVERY": LEDGER_EVERY, **knobs}
        text = "".join(f"{name}={value}\\n" for name, value in lines.items())
        self.on_disk(f"printf '{text}' >.{KNOBS}")

    # --- processes, by their numbers on this host ------------------------------------------------------------------

    def main(self, unit: str = DAEMON) -> list[int]:
        """A unit's main process."""
        pid = self.node.main_pid(unit)
        return [self.node.host_pid(pid)] if pid else []

    def beside(self) -> list[int]:
        """Beside the main process: the heartbeat of a holder; in the queue, what keeps the unit's status."""
        main = self.main()
        return [pid for pid in self._processes(DAEMON) if pid not in main and parent(pid) not in main]

    def vrrp(self) -> list[int]:
        """The process of keepalived's that speaks VRRP."""
        main = self.main(KEEPALIVED)
        return [pid for pid in self._processes(KEEPALIVED) if parent(pid) in main]

    def _processes(self, unit: str) -> list[int]:
        procs = self.lab.cgroup / self.node.name / "payload/system.slice" / unit / "cgroup.procs"
        try:
            return [int(pid) for pid in procs.read_text().split()]
        except OSError:  # the unit does not run
            return []


def send(site: Site, pids: Iterable[int], number: signal.Signals, keep: str = "") -> str:
    """Signals processes, and says which; keeps them under a name, if one is given, to be sent SIGCONT."""
    hit = []
    for pid in pids:
        with suppress(OSError):
            with open(f"/proc/{pid}/comm") as file:
                name = file.read().strip()
            process = os.pidfd_open(pid)
            signal.pidfd_send_signal(process, number)
            hit.append(f"{name} (pid {pid})")
            if keep:
                site.keep(keep, process)
            else:
                os.close(process)
    return f"{number.name} to {', '.join(hit)}" if hit else ""


def parent(pid: int) -> int:
    """A process's parent, 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return int(next(line for line in file if line.startswith("PPid:")).split()[1])
    except OSError:
        return 0
