"""The ledger that the stand-ins write on the shared storage, and who was a daemon while another one was.

Each line was written by a process that lived at its time, and each but "start" by one that held its lock then. So a
process is a daemon from its line "locked" to its last one at least. Two are one too many when a line of the older one
stands behind the younger one's first, or says a later time (every node of the lab has the same clock).

That is never a false alarm. What it cannot see is how long a killed process lived after its last line: at most
LEDGER_EVERY of the stand-in, or for as long as it was stopped; the watcher, which looks at processes, sees that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

STARTED = "start"  # the one event that needs no lock
IDLE = "alive"


@dataclass(frozen=True)
class Line:
    """One line: the node, its boot, monotonic seconds, the process id there, and what it did."""

    node: str
    boot: str
    time: float
    pid: int
    event: str

    @classmethod
    def parse(cls, text: str) -> Line:
        """Raises ValueError."""
        node, boot, time, pid, event = text.split()
        return cls(node, boot, float(time), int(pid), event)

    def __str__(self) -> str:
        return f"{self.time:12.3f}  {self.node} {self.boot[:4]} pid {self.pid:<6} {self.event}"


@dataclass
class Life:
    """A daemon as the ledger knows it: from its first line with the lock to its last one so far."""

    first: Line
    last: Line


@dataclass(frozen=True)
class Overlap:
    """Two daemons at once: `older` was there first, and still there when it wrote its last line."""

    older: Line
    younger: Line

    @property
    def time(self) -> float:
        return self.younger.time

    def __str__(self) -> str:
        return (
            f"two daemons: {self.younger.node} pid {self.younger.pid} had the lock at {self.younger.time:.3f}, "
            f'{self.older.node} pid {self.older.pid} wrote "{self.older.event}" at {self.older.time:.3f}'
        )


class Ledger:
    """Takes the ledger in, piece by piece."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.lives: list[Life] = []  # in the order of their first lines
        self._running: dict[tuple[str, str, int], Life] = {}
        self._rest = ""

    def add(self, text: str) -> list[Overlap]:
        """The next piece of the file, which may end within a line; returns the overlaps that it proves.

        Raises ValueError for a line that no stand-in wrote.
        """
        whole, _, self._rest = (self._rest + text).rpartition("\n")
        found: list[Overlap] = []
        for line in map(Line.parse, whole.splitlines()):
            self.lines.append(line)
            found += self._take(line)
        return found

    def _take(self, line: Line) -> Iterator[Overlap]:
        process = (line.node, line.boot, line.pid)
        if line.event == STARTED:
            self._running.pop(process, None)  # another process, with the number of a dead one
            return
        life = self._running.get(process)
        if life is None:
            life = self._running[process] = Life(line, line)
            yield from (Overlap(other.last, line) for other in self.lives if other.last.time > line.time)
            self.lives.append(life)
            return
        if life is not self.lives[-1] and life.last.time <= self.lives[-1].first.time:  # told once for each pair
            yield Overlap(line, self.lives[-1].first)
        life.last = line

    def around(self, time: float, seconds: float = 4.0) -> str:
        """The lines near a moment; of those that only say "alive" a process's first and last in a row."""
        near = [line for line in self.lines if abs(line.time - time) <= seconds]
        shown = [
            line
            for before, line, after in zip([None, *near], near, [*near[1:], None])
            if not (_idle(before, line) and _idle(after, line))
        ]
        return "\n".join(map(str, shown)) or "nothing"


def _idle(neighbour: Line | None, line: Line) -> bool:
    if neighbour is None or line.event != IDLE:
        return False
    return (neighbour.event, neighbour.pid, neighbour.boot) == (IDLE, line.pid, line.boot)
