"""What a client sees that asks the service through the address every 10 ms."""

from __future__ import annotations

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

PORT = 10011
NORMAL_GAP = 0.1  # seconds between two answers below which nobody speaks of an outage


@dataclass(frozen=True)
class Attempt:
    """One question: monotonic seconds asked and done; the node and process that answered, or why nobody did."""

    asked: float
    done: float
    node: str  # "" for not answered
    detail: str


@dataclass(frozen=True)
class Outage:
    """Between two answers: when (monotonic seconds; `end` None: not over yet) and who gave them."""

    start: float
    end: float | None
    before: str
    after: str

    @property
    def seconds(self) -> float:
        return (time.monotonic() if self.end is None else self.end) - self.start


class Client:
    """Asks from the lab's beginning to its end; attempts are kept in the order of their outcome."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.attempts: list[Attempt] = []
        self.events: list[tuple[float, str]] = []
        self.process: subprocess.Popen[str] | None = None
        self.reader: threading.Thread | None = None

    def start(self, address: str = VIP, port: int = PORT) -> None:
        """Begins to ask; the Lab itself does. For another address stop() first."""
        poll = [sys.executable, "-IB", str(Path(__file__).with_name("client_poll.py")), address, str(port)]
        enter = inside(self.lab.init, "mount", "net", "pid")
        self.process = start([*enter, "ip", "netns", "exec", "client", *poll], stderr=subprocess.DEVNULL)
        self.reader = threading.Thread(target=self._read, args=(self.process,), name="client", daemon=True)
        self.reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            asked, done, verdict, *rest = line.split()
            node = rest.pop(0) if verdict == "ok" else ""
            self.attempts.append(Attempt(float(asked), float(done), node, " ".join(rest)))

    def stop(self) -> None:
        if self.process and self.reader:
            kill_group(self.process)
            self.process.wait()
            self.reader.join()
            self.process = None

    def clear(self) -> None:
        """Forgets what it saw: a new chapter of a test."""
        self.attempts, self.events = [], []

    def event(self, text: str, at: float | None = None) -> float:
        """Notes for the timeline what was done to the lab, now or at a monotonic time; returns that time."""
        moment = time.monotonic() if at is None else at
        self.events.append((moment, text))
        return moment

    # --- questions -------------------------------------------------------------------------------------------------

    def answers(self, since: float = 0.0) -> list[Attempt]:
        """The answers that came after `since`, in the order of their coming."""
        return [a for a in self._with_previous(since) if a.done >= since]

    def _with_previous(self, since: float) -> list[Attempt]:
        """The answers that came after `since`, and the last one before it."""
        found = []
        for attempt in reversed(self.attempts):
            if attempt.node:
                found.append(attempt)
                if attempt.done < since:
                    break
        return found[::-1]

    def served_by(self) -> str:
        """The node that answered within the last 100 ms, or "" when none did."""
        now = time.monotonic()
        last = self._with_previous(now)[-1:]
        return last[0].node if last and now - last[0].done <= NORMAL_GAP else ""

    def wait_served(self, deadline: float, by: str = "", since: float | None = None) -> float:
        """Waits for the answer (of a node named `by`) to a question asked after `since`, now unless told otherwise.

        Returns the answer's monotonic time. Raises AssertionError after `deadline` seconds."""
        asked = time.monotonic() if since is None else since

        def served() -> list[float]:
            return [a.done for a in self.answers(asked) if a.asked >= asked and by in ("", a.node)]

        wait_until(f"the client is served{by and ' by ' + by}", served, deadline, self.lab.diagnosis)
        return served()[0]

    def outages(self, since: float = 0.0, longer: float = NORMAL_GAP) -> list[Outage]:
        """The gaps of more than `longer` seconds between two answers; one that still lasts has no end."""
        answers = self._with_previous(since)
        gaps = [Outage(a.done, b.done, a.node, b.node) for a, b in zip(answers, answers[1:])]
        gaps += [Outage(a.done, None, a.node, "") for a in answers[-1:]]
        return [gap for gap in gaps if gap.seconds > longer]

    def outage(self, since: float = 0.0) -> float:
        """Seconds of the longest gap between two answers since a monotonic time; one that still lasts counts to now.

        Infinite when it was never answered."""
        return max((gap.seconds for gap in self.outages(since, 0.0)), default=float("inf"))

    def timeline(self, since: float = 0.0) -> str:
        """What was done and what the client saw, a line each; seconds from `since`, or from the first of them."""
        lines = [event for event in self.events if event[0] >= since]
        for gap in self.outages(since):
            lines.append((self._first_miss(gap), f"no answer from {gap.before} any more"))
            if gap.end is not None:
                lines.append((gap.end, f"answer from {gap.after}, after {gap.seconds:.2f} s"))
        answers = self._with_previous(since)
        for a, b in zip(answers, answers[1:]):
            if a.node != b.node and b.done - a.done <= NORMAL_GAP:
                lines.append((b.done, f"answer from {b.node}, no gap"))
        if answers and answers[0].done >= since:
            lines.append((answers[0].done, f"first answer, from {answers[0].node}"))
        zero = since or min((moment for moment, _ in lines), default=0.0)
        return "\n".join(f"{moment - zero:8.2f} s  {text}" for moment, text in sorted(lines)) or "no answer, ever"

    def _first_miss(self, gap: Outage) -> float:
        """When the first question of a gap was asked."""
        return next((a.asked for a in self.attempts if not a.node and a.asked > gap.start), gap.start)
