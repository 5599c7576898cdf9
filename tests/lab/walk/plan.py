"""From a seed to all that will be done: rounds of faults, some of them side by side, and their mendings.

Nothing here knows a lab. A side is "first", the node that is active when its round begins, or "second", the other one:
so neither the nodes' luck nor the machine's speed changes what a seed decides.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Optional, TypeVar

from .faults import FAULTS, Fault, Standing

T = TypeVar("T")
SIDES = ("first", "second")
FAULTS_IN_A_ROUND = (1, 1, 2, 2, 2, 3, 3, 4)
# seconds: mostly within the half second that a failover takes
BETWEEN = (0.0, 0.3, 0.3, 0.8, 0.8, 2.0, 5.0)
# beyond the patience of checks and looks (4 s), of the heartbeat (3 s) and of the watchdog (10 s)
AFTER_THE_LAST = (0.3, 0.8, 2.0, 6.0, 14.0)
MENDING = (0.0, 0.3, 2.0)


@dataclass(frozen=True)
class Step:
    """Do a fault, or mend what stands, or (neither) wait until the service is back. `number` counts the faults."""

    number: int
    side: str
    dice: float
    pause: float  # seconds, afterwards
    fault: Optional[Fault] = None
    mend: Optional[Standing] = None

    @property
    def waits(self) -> bool:
        return not self.fault and not self.mend


@dataclass(frozen=True)
class Round:
    """Faults and mendings that begin and end with a healthy pair."""

    number: int
    steps: tuple[Step, ...]


@dataclass
class Books:
    """What stands on each side, as far as the plan goes."""

    standing: dict[str, list[Standing]] = field(default_factory=lambda: {side: [] for side in SIDES})

    def everything(self) -> list[tuple[str, Standing]]:
        return [(side, standing) for side in SIDES for standing in self.standing[side]]

    def allows(self, fault: Fault, side: str) -> bool:
        sides = SIDES if fault.both or fault.anywhere else (side,)
        here = [standing for each in sides for standing in self.standing[each]]
        storage = [standing for _, standing in self.everything() if standing.storage]
        return not (
            any(standing in (*fault.leaves, *fault.bars) for standing in (*here, *storage))
            or (not fault.dark and any(standing.dark for standing in here))
            or (fault.storage and storage)
            or (fault.active and side != SIDES[0])
        )

    def add(self, fault: Fault, side: str) -> None:
        for each in SIDES if fault.both else (side,):
            self.standing[each] += fault.leaves

    def mend(self, standing: Standing, side: str) -> None:
        self.standing[side].remove(standing)

    def keeps_address(self, side: str) -> bool:
        """May the address stay there when the daemon has gone? keepalived does not see it, and no start of the unit
        takes it away."""
        here = self.standing[side]
        return any(standing.deaf for standing in here) and any(standing.out for standing in here)

    def can_mend(self, standing: Standing) -> bool:
        """The lock file is made by a node that is on."""
        return not standing.late or any(not any(s.dark for s in self.standing[side]) for side in SIDES)

    def owed(self) -> bool:
        """Is the service to be back by itself: the storage well, and a node?"""
        if any(standing.storage for _, standing in self.everything()):
            return False
        return any(not any(standing.impairs for standing in self.standing[side]) for side in SIDES)

    def __str__(self) -> str:
        told = (f"{side}: {', '.join(s.name for s in self.standing[side]) or 'well'}" for side in SIDES)
        return "; ".join(told)


class Dice:
    """The one thing of random that Python promises to be the same in every version."""

    def __init__(self, seed: int) -> None:
        self.roll = random.Random(seed).random  # noqa: S311 - a walk to be repeated, no secret

    def one_of(self, things: Sequence[T]) -> T:
        return things[int(self.roll() * len(things))]

    def shuffled(self, things: Sequence[T]) -> list[T]:
        return [thing for _, _, thing in sorted((self.roll(), place, thing) for place, thing in enumerate(things))]

    def pause(self, among: Sequence[float]) -> float:
        """Up to one of these."""
        return round(self.one_of(among) * self.roll(), 2)


def plan(seed: int, count: int, table: Sequence[Fault] = FAULTS) -> list[Round]:
    """`count` faults. Each of the table comes before any comes twice, but for those that fit nowhere just then."""
    dice = Dice(seed)
    deck = _Deck(dice, table)
    rounds: list[Round] = []
    done = 0
    while done < count:
        steps = tuple(_round(dice, deck, done, min(dice.one_of(FAULTS_IN_A_ROUND), count - done)))
        rounds.append(Round(len(rounds) + 1, steps))
        done = steps[-1].number
    return rounds


class _Deck:
    def __init__(self, dice: Dice, table: Sequence[Fault]) -> None:
        self.dice, self.table = dice, table
        self.cards: list[Fault] = []

    def draw(self, books: Books) -> Optional[tuple[Fault, str]]:
        """The next fault that is possible on some side."""
        if len(self.cards) < len(self.table) // 4:
            self.cards += self.dice.shuffled(self.table)
        for fault in self.cards:
            sides = [side for side in SIDES if books.allows(fault, side)]
            if sides:
                self.cards.remove(fault)
                return fault, self.dice.one_of((SIDES[0], *sides)) if SIDES[0] in sides else sides[0]
        return None


def _round(dice: Dice, deck: _Deck, done: int, count: int) -> Iterator[Step]:
    books = Books()
    last = done + count
    for number in range(done + 1, last + 1):
        drawn = deck.draw(books)
        if drawn is None:
            break
        fault, side = drawn
        books.add(fault, side)
        done = number
        yield Step(number, side, dice.roll(), dice.pause(AFTER_THE_LAST if number == last else BETWEEN), fault=fault)
        chance = dice.roll()
        mendable = [(side, standing) for side, standing in books.everything() if books.can_mend(standing)]
        if chance < 0.35 and books.owed():
            yield Step(number, "", 0.0, dice.pause(BETWEEN))
        elif chance > 0.7 and mendable:
            side, standing = dice.one_of(mendable)
            books.mend(standing, side)
            yield Step(number, side, dice.roll(), dice.pause(BETWEEN), mend=standing)
    left = dice.shuffled(range(len(books.everything())))
    standing_then = books.everything()
    for side, standing in sorted((standing_then[place] for place in left), key=lambda each: each[1].late):
        yield Step(done, side, dice.roll(), dice.pause(MENDING), mend=standing)
