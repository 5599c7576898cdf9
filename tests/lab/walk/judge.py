"""The two invariants, looked at after every step: the ledger's word, and the watcher's."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..lab import Lab
from ..ledger import Ledger
from ..node import Node
from ..watcher import Sample

TOGETHER = 3.0  # seconds that an address may rest where no daemon holds the lock


@dataclass(frozen=True)
class Stray:
    """An address on a node whose cranectld did not hold the lock, in monotonic seconds."""

    node: str
    since: float
    until: float

    @property
    def seconds(self) -> float:
        return self.until - self.since

    def __str__(self) -> str:
        return f"the address was on {self.node} without a daemon for {self.seconds:.2f} s, from {self.since:.3f} on"


@dataclass
class Excuse:
    """From when to when an address on a node may be a stray one: a known open point. No end: not over yet."""

    node: str
    since: float
    until: float = float("inf")


def strays(samples: Sequence[Sample], end: float) -> Iterator[Stray]:
    """Every time that an address was where no daemon was; `end` is when the last sample was still true."""
    for node in sorted({node for sample in samples for node in sample.addresses}):
        began = None
        for sample in samples:
            alone = node in sample.addresses and node not in sample.daemons
            if alone and began is None:
                began = sample.t
            elif not alone and began is not None:
                yield Stray(node, began, sample.t)
                began = None
        if began is not None:
            yield Stray(node, began, end)


def without(stray: Stray, excuses: Sequence[Excuse]) -> Iterator[Stray]:
    """What no excuse covers."""
    pieces = [(stray.since, stray.until)]
    for excuse in excuses:
        if excuse.node == stray.node:
            cut = [((a, min(b, excuse.since)), (max(a, excuse.until), b)) for a, b in pieces]
            pieces = [(a, b) for pair in cut for a, b in pair if a < b]
    return (Stray(stray.node, a, b) for a, b in pieces)


@dataclass
class Judge:
    """Of one lab, between two restores of its disks."""

    lab: Lab
    ledger: Ledger = field(default_factory=Ledger)
    excuses: list[Excuse] = field(default_factory=list)
    longest: Stray | None = None  # of those that were no violation
    excused: list[Stray] = field(default_factory=list)
    _read: int = 0

    def look(self) -> list[tuple[float, str]]:
        """The violations up to now: a monotonic time near each, and a sentence."""
        self.lab.watcher.sync()
        wrong = [(overlap.time, str(overlap)) for overlap in self.ledger.add(self._news())]
        samples = list(self.lab.watcher.samples)
        for sample in samples:
            if sample.two_daemons:
                wrong.append((sample.t, f"two daemons: {sample.daemons}"))
        for stray in strays(samples, self.lab.watcher.seen):
            for piece in without(stray, self.excuses):
                if piece.seconds > TOGETHER:
                    wrong.append((piece.since, str(piece)))
                elif self.longest is None or piece.seconds > self.longest.seconds:
                    self.longest = piece
        return wrong

    def _news(self) -> str:
        path = self.lab.shared / "ledger"
        if not path.exists():
            return ""
        with path.open() as file:
            file.seek(self._read)
            news = file.read()
            self._read = file.tell()
        return news

    def excuse(self, node: Node) -> None:
        """From now on, if not already."""
        if not any(excuse.node == node.name and excuse.until == float("inf") for excuse in self.excuses):
            self.excuses.append(Excuse(node.name, time.monotonic()))

    def end_excuse(self, node: Node) -> None:
        """Its reason is gone; the address has as long as ever to follow."""
        for excuse in self.excuses:
            if excuse.node == node.name:
                excuse.until = min(excuse.until, time.monotonic())

    def next_round(self) -> None:
        """Forgets what was judged."""
        self.excused += [
            stray for stray in strays(self.lab.watcher.samples, self.lab.watcher.seen) if stray.seconds > TOGETHER
        ]
        self.lab.watcher.clear()
        now = time.monotonic()
        self.excuses = [excuse for excuse in self.excuses if excuse.until > now]
