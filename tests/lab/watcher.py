"""The eye on the two invariants: one daemon; the address where the daemon is, or nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .network import VIP
from .processes import inside, kill_group, start
from .waiting import wait_until

if TYPE_CHECKING:
    from .lab import Lab
    from .node import Node

PERIOD = 0.02  # of the samples, see watch_nodes.py


@dataclass(frozen=True)
class Sample:
    """From `t` on, monotonic seconds: each node's virtual addresses, and its lock-holding daemons (lab process ids)."""

    t: float
    addresses: dict[str, list[str]]
    daemons: dict[str, list[int]]

    @property
    def two_daemons(self) -> bool:
        return sum(map(len, self.daemons.values())) > 1

    @property
    def two_addresses(self) -> bool:
        """Two nodes hold an address (with several virtual addresses: any of them)."""
        return len(self.addresses) > 1

    @property
    def apart(self) -> bool:
        """An address rests on a node while the daemon is on another."""
        return bool(self.daemons) and any(node not in self.daemons for node in self.addresses)

    def __str__(self) -> str:
        daemons = " ".join(f"{node}:{pid}" for node, pids in sorted(self.daemons.items()) for pid in pids) or "none"
        return f"{self.t:10.2f} s  address on {' '.join(sorted(self.addresses)) or 'none':12}  daemon {daemons}"


@dataclass(frozen=True)
class Invariants:
    """Of each thing that ought not to be, the seconds of its longest uninterrupted run."""

    two_daemons: float
    two_addresses: float
    apart: float
    samples: tuple[Sample, ...]

    def check(self, limit: float = 1.0) -> None:
        """Raises AssertionError when two daemons were seen, ever, or one of the others for more than `limit` seconds.

        An address takes moments to move, never seconds."""
        wrong = []
        if self.two_daemons:
            wrong.append(f"two cranectld at once, for {self.two_daemons:.2f} s")
        if self.two_addresses > limit:
            wrong.append(f"two nodes held the address for {self.two_addresses:.2f} s")
        if self.apart > limit:
            wrong.append(f"the address was apart from the daemon for {self.apart:.2f} s")
        assert not wrong, "; ".join(wrong) + "\n" + "\n".join(map(str, self.samples))


class Watcher:
    """Watches from the lab's beginning to its end."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.samples: list[Sample] = []  # the first, and then each that differs from the one before
        self.seen = 0.0  # monotonic seconds of the last look
        self.process: subprocess.Popen[str] | None = None
        self.reader: threading.Thread | None = None

    def start(self, *addresses: str) -> None:
        """Begins to watch; the Lab itself does, for the usual address. For others stop() first."""
        watch = [sys.executable, "-IB", str(Path(__file__).with_name("watch_nodes.py")), *(addresses or (VIP,))]
        self.process = start([*inside(self.lab.init, "mount", "pid", "net"), *watch])
        self.reader = threading.Thread(target=self._read, args=(self.process,), name="watcher", daemon=True)
        self.reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            told = json.loads(line)
            sample = Sample(told["t"], told["addresses"], told["daemons"])
            last = self.samples[-1] if self.samples else None
            if last is None or (last.addresses, last.daemons) != (sample.addresses, sample.daemons):
                self.samples.append(sample)
            self.seen = sample.t

    def stop(self) -> None:
        if self.process and self.reader:
            kill_group(self.process)
            self.process.wait()
            self.reader.join()
            self.process = None

    def clear(self) -> None:
        """Forgets what was seen, but for the state now."""
        self.sync()
        self.samples = self.samples[-1:]

    def sync(self) -> None:
        """Waits until the watcher has looked once more (tens of milliseconds)."""
        now = time.monotonic()
        if self.process:
            wait_until("the watcher looks", lambda: self.seen >= now, 5, self._trouble)

    def _trouble(self) -> str:
        if self.process and self.process.poll() is not None and self.process.stderr:
            return self.process.stderr.read()
        return ""

    def invariants(self) -> Invariants:
        self.sync()
        samples = tuple(self.samples)
        return Invariants(
            two_daemons=self._longest([(sample.t, sample.two_daemons) for sample in samples]),
            two_addresses=self._longest([(sample.t, sample.two_addresses) for sample in samples]),
            apart=self._longest([(sample.t, sample.apart) for sample in samples]),
            samples=samples,
        )

    def _longest(self, states: list[tuple[float, bool]]) -> float:
        """Seconds of the longest run of a state that is true; one seen in a single sample counts its period."""
        longest, began = 0.0, None
        for moment, state in [*states, (self.seen + PERIOD, False)]:
            if state and began is None:
                began = moment
            elif not state and began is not None:
                longest, began = max(longest, moment - began), None
        return longest

    def active(self) -> Node | None:
        self.sync()
        daemons = self.samples[-1].daemons if self.samples else {}
        assert len(daemons) <= 1, f"two daemons: {daemons}"
        return next((node for node in self.lab.nodes if node.name in daemons), None)

    def timeline(self, last: int = 20) -> str:
        return "\n".join(map(str, self.samples[-last:]))
