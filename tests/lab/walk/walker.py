"""Walks a plan on a lab, and judges after every step. Times that it prints are monotonic seconds, as the journal's.

Reproducible: which faults come in which order on which side, with which figures and pauses, what is mended when. Not
reproducible: which node is active when a round begins (it is printed), and what the nodes are doing when a fault falls.
A round begins with a healthy pair and is independent of those before it, but for what they left that nobody noticed.

Known, and no violation: while keepalived is frozen (SIGSTOP) and the unit was stopped by hand, so that no start of it
takes the address away, the node may keep it after the daemon has gone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

from .. import waiting
from ..lab import Lab
from ..node import Node
from ..pair import Pair, install, set_up
from .judge import Judge
from .plan import SIDES, Books, Round, Step
from .site import Memory, Site

BACK = 30.0  # seconds in which the service is back once the storage and a node are well
WHOLE = 60.0  # and in which the other node stands by again
LEASE = "30"  # StorageLease: what the README recommends; a killed heartbeat is noticed after 10 s
SAVED = "chaos"


class Violation(AssertionError):
    """Something that must never be was; the text is all that is known of it."""


class Walker:
    """One lab, walked round by round; say() takes each line of the account."""

    def __init__(self, lab: Lab, say: Callable[[str], None]) -> None:
        self.lab, self.pair = lab, Pair(lab)
        self.say = say
        self.judge = Judge(lab)
        self.memory: Memory = {}
        self.sides: dict[str, Node] = {}
        self.books = Books()
        self.done: Counter[str] = Counter()
        self.void: Counter[str] = Counter()
        self.waits: list[float] = []
        self.account: list[str] = []
        self.began = time.monotonic()

    def walk(self, rounds: Iterable[Round]) -> None:
        """Raises Violation."""
        for each in rounds:
            self.round(each)

    def round(self, each: Round) -> None:
        """From a healthy pair to a healthy pair, in which each node can take over. Raises Violation."""
        self.account, self.books, self.memory = [], Books(), {}
        self.sides = dict(zip(SIDES, self._wait_whole()))
        self.lab.client.clear()
        named = ", ".join(f"{side} is {node}" for side, node in self.sides.items())
        self._tell(f"round {each.number}, {time.monotonic() - self.began:.0f} s: {named}")
        try:
            for step in each.steps:
                self._step(step)
                self._pause(step.pause)
                self._judge()
            self._prove()
        except Violation:
            raise
        except AssertionError as error:  # a mending that did not succeed, say
            self._violation(f"not mended: {error}")
        self.judge.next_round()

    # --- steps -----------------------------------------------------------------------------------------------------

    def _step(self, step: Step) -> None:
        if step.fault:
            self.books.add(step.fault, step.side)
            self._excuse()
            self._do(step)
        elif step.mend:
            self._tell(f"       mended: {step.mend.name}, {step.side} ({self.sides[step.side]})")
            step.mend.mend(self._site(step))
            self.books.mend(step.mend, step.side)
            self._excuse()
        else:
            self._wait_back()

    def _do(self, step: Step) -> None:
        assert step.fault
        fault, node = step.fault, self.sides[step.side]
        try:
            hit = fault.do(self._site(step))
        except AssertionError as error:  # the node was just going down, or systemd had no time
            hit, why = "", str(error).splitlines()[0]
        else:
            why = "there was nothing to hit"
        (self.done if hit else self.void)[fault.name] += 1
        self._tell(f"{step.number:6} {fault.name}, {step.side} ({node}): {hit or f'void: {why}'}")

    def _site(self, step: Step) -> Site:
        return Site(self.lab, self.sides[step.side], step.dice, self.memory)

    def _excuse(self) -> None:
        for side, node in self.sides.items():
            (self.judge.excuse if self.books.keeps_address(side) else self.judge.end_excuse)(node)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        waiting.wait_until("the pause is over", lambda: time.monotonic() >= until, seconds + 60)

    def _prove(self) -> None:
        """All is mended: the service is back, both nodes are well, and the one that stands by can really take over."""
        self._wait_back()
        active, standby = self._wait_whole()
        Site(self.lab, active).insist("systemctl --no-block stop cranectld")  # a restart might win the race
        took = self._wait(
            f"{standby} takes over from {active}, whose cranectld was stopped",
            lambda: self._serves(standby),
            BACK,
        )
        self.waits.append(took)
        Site(self.lab, active).insist("systemctl --no-block start cranectld")
        self._judge()

    # --- waiting and judging ---------------------------------------------------------------------------------------

    def _wait_back(self) -> None:
        took = self._wait(f"the service is back ({self.books})", self._back, BACK)
        self.waits.append(took)
        self._tell(f"       the service is there after {took:.1f} s")

    def _wait_whole(self) -> tuple[Node, Node]:
        """The node that serves and the one that stands by: a lock file that was replaced may end either's part soon."""
        found: list[tuple[Node, Node]] = []

        def whole() -> bool:
            for active, standby in (self.lab.nodes, self.lab.nodes[::-1]):
                if self._serves(active) and standby.is_on and self.pair.is_standby(standby):
                    found.append((active, standby))
            return bool(found)

        self._wait("one node serves and the other stands by", whole, WHOLE)
        return found[0]

    def _back(self) -> bool:
        return any(map(self._serves, self.lab.nodes))

    def _serves(self, node: Node) -> bool:
        return self.lab.active() is node and self.lab.client.served_by() == node.name and node.has_address()

    def _wait(self, what: str, predicate: Callable[[], bool], deadline: float) -> float:
        try:
            return waiting.wait_until(what, predicate, deadline)
        except AssertionError as error:
            self._violation(str(error))
            raise

    def _judge(self) -> None:
        wrong = self.judge.look()
        if wrong:
            self._violation("; ".join(sorted({text for _, text in wrong})), wrong[0][0])

    def _tell(self, text: str) -> None:
        line = f"[{time.monotonic():10.2f}] {text}"
        self.account.append(line)
        self.say(line)

    def _violation(self, what: str, at: float = 0.0) -> None:
        """Raises Violation, with all that a person would want to see."""
        at = at or time.monotonic()
        self.judge.look()
        parts = [
            f"VIOLATION: {what}",
            "--- what was done in this round",
            *self.account,
            f"--- the ledger around {at:.2f}",
            self.judge.ledger.around(at, 10.0),
            "--- the watcher",
            self.lab.watcher.timeline(60),
            self.lab.diagnosis(),
        ]
        raise Violation("\n".join(parts)) from None

    def summary(self) -> str:
        """What was done and what was seen."""
        seconds = time.monotonic() - self.began
        lines = [
            f"{sum(self.done.values())} faults of {len(self.done)} kinds in {seconds:.0f} s, "
            f"{sum(self.void.values())} more had nothing to hit",
            f"the service was waited for {len(self.waits)} times, {max(self.waits, default=0):.1f} s at most",
            f"at the longest {self.judge.longest or 'no address was without its daemon'}",
            f"and longer, keepalived being frozen and the unit stopped, {len(self.judge.excused)} times: "
            f"{max((stray.seconds for stray in self.judge.excused), default=0):.1f} s at most",
        ]
        return "\n".join(lines)


def new_walk(lab: Lab, say: Callable[[str], None]) -> Walker:
    """A lab that was just entered: two nodes booted, installed, set up, and kept as they are for again()."""
    lab.start()
    install(lab)
    for node in lab.nodes:
        Site(lab, node).standin()
    # it kills more often in an hour than a cluster does in years: failures in a row are no subject here
    set_up(lab, "--storage-lease", LEASE, "--restart-pause", "0")
    lab.save(SAVED)
    return again(lab, say)


def again(lab: Lab, say: Callable[[str], None]) -> Walker:
    """The same lab, as it was before any fault."""
    for node in lab.nodes:
        node.wanted = False  # a reboot that is under way ends here
    lab.restore(SAVED)
    lab.start()
    return Walker(lab, say)
