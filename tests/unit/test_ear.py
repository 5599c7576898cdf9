"""What a waiting node hears of the holder of the lock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from crane_keepalived import ear, lock
from crane_keepalived.settings import Settings, load

from .queue_node import Node

LASTING = 60.0


@dataclass
class Clock:
    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


class Other:
    """Another node, which beats every second of a clock that it moves."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self.restart()

    def restart(self) -> None:
        self._held = lock.StorageLock(self._path, "1a2b3c4d")
        self._held._since = f"then-{self._clock.now}"

    def beats(self, ours: ear.Ear, seconds: int) -> bool:
        """For so long; was it missed at any time?"""
        missed = False
        for _ in range(seconds):
            self._clock.now += 1
            self._held.hold("node2")
            missed |= ours.misses(LASTING)
        return missed


def rests(ours: ear.Ear, clock: Clock, seconds: int) -> bool:
    """The node waits so long; does it miss the other one in the end?"""
    for _ in range(seconds):
        clock.now += 1
        missed = ours.misses(LASTING)
    return missed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ear, "time", clock)
    return clock


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    lock.create(tmp_path / "ha.lock", "1a2b3c4d")
    node = Node(tmp_path, tmp_path, HEARTBEAT_INTERVAL="1")
    node.stop()
    return load(tmp_path)


def test_a_holder_that_lasted_is_missed_after_three_beats(settings: Settings, clock: Clock) -> None:
    ours, other = ear.Ear(settings), Other(settings.ha_lock, clock)
    assert not other.beats(ours, 62)
    assert not rests(ours, clock, 3)
    assert rests(ours, clock, 1)


def test_one_that_did_not_last_is_not_missed(settings: Settings, clock: Clock) -> None:
    ours, other = ear.Ear(settings), Other(settings.ha_lock, clock)
    other.beats(ours, 50)
    other.restart()
    other.beats(ours, 50)
    assert not rests(ours, clock, 600)


def test_one_that_was_silent_from_the_beginning_is_not_missed(settings: Settings, clock: Clock) -> None:
    lock.StorageLock(settings.ha_lock, "1a2b3c4d").hold("node2")
    assert not rests(ear.Ear(settings), clock, 600)


def test_who_cannot_listen_misses_nobody(settings: Settings, clock: Clock) -> None:
    ours, other = ear.Ear(settings), Other(settings.ha_lock, clock)
    other.beats(ours, 62)
    settings.ha_lock.unlink()
    assert not rests(ours, clock, 600)
