"""A cranectld that fails again and again: what is counted, what is not, and how long its node waits."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Optional

import pytest

from crane_keepalived import failures

from .queue_node import Node, wait_until

PID = 4711


class Clock:
    """CLOCK_BOOTTIME, as the test wants it."""

    def __init__(self) -> None:
        self.now = 100_000

    def passes(self, seconds: int) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(failures, "_now", lambda: clock.now)
    return clock


@pytest.fixture
def root(tmp_path: Path, clock: Clock) -> Path:  # noqa: ARG001 - time stands still for all that use it
    (tmp_path / failures.HANDED_OVER).parent.mkdir(parents=True)
    (tmp_path / failures.RECORD).write_text("0\n")
    return tmp_path


def fails(root: Path, times: int = 1) -> int:
    """A daemon begins and ends, so often; the failures in a row then."""
    for _ in range(times):
        failures.begins(root, PID)
        failed = failures.settle(root, asked=False)
    return failed


def test_failures_in_a_row_are_counted(root: Path) -> None:
    assert [fails(root) for _ in range(4)] == [1, 2, 3, 4]


def test_a_unit_that_ends_in_the_queue_is_no_failure(root: Path) -> None:
    fails(root, 2)
    assert failures.settle(root, asked=False) == 2


def test_a_restart_that_a_person_asked_for_begins_anew(root: Path) -> None:
    fails(root, 4)
    failures.begins(root, PID)
    assert failures.settle(root, asked=True) == 0
    assert fails(root) == 1


def test_a_person_ends_the_wait(root: Path) -> None:
    fails(root, 4)
    assert failures.settle(root, asked=True) == 0


@pytest.mark.parametrize(("noted", "counted"), [(PID, 1), (PID + 1, 0), (None, 0)])
def test_a_restart_that_on_fault_asked_for_is_a_failure(root: Path, noted: Optional[int], counted: int) -> None:
    failures.begins(root, PID)
    if noted:
        (root / failures.HANDED_OVER).write_text(f"{noted}\n")
    assert failures.settle(root, asked=True) == counted


def test_a_daemon_that_lasts_makes_good(root: Path) -> None:
    fails(root, 4)
    failures.begins(root, PID)
    failures.lasts(root)
    assert failures.settle(root, asked=False) == 1


def test_what_failed_long_ago_is_forgotten(root: Path, clock: Clock) -> None:
    fails(root, 4)
    clock.passes(3601)
    assert fails(root) == 1
    clock.passes(3601)
    assert failures.settle(root, asked=False) == 0


def test_a_hand_over_that_is_meant_is_no_failure(root: Path) -> None:
    fails(root)
    failures.begins(root, PID)
    failures.ends_well(root)
    assert failures.settle(root, asked=False) == 0


def test_an_end_that_is_not_its_own_fault_is_not_counted(root: Path) -> None:
    fails(root, 2)
    failures.begins(root, PID)
    failures.is_not_to_blame(root)
    assert failures.settle(root, asked=False) == 2


def test_a_full_disk_delays_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    assert fails(root) == 0
    monkeypatch.undo()
    assert "crane-keepalived.failures: No space left on device" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "garbage\n", "-1 0\n", "1 2 3 4\n", "9" * 40, "\xff", "\u00b2 0\n"])
def test_a_broken_record_delays_nothing(root: Path, content: str) -> None:
    (root / failures.RECORD).write_text(content)
    assert not failures.is_known(root)
    assert failures.settle(root, asked=False) == 0


def test_a_lost_record_delays_nothing_and_is_not_made(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / failures.RECORD).unlink()
    assert fails(root, 5) == 0
    assert not (root / failures.RECORD).exists()
    assert "crane-keepalived.failures: No such file" in capsys.readouterr().out


def test_pauses_grow_to_the_longest() -> None:
    assert [failures.pause(failed, 900) for failed in range(8)] == [0, 0, 0, 10, 60, 300, 900, 900]
    assert [failures.pause(failed, 30) for failed in range(8)] == [0, 0, 0, 10, 30, 30, 30, 30]
    assert failures.pause(99, 0) == 0


@pytest.mark.parametrize("lives", [0, 1, 10, 60, failures.LASTING - 1])
def test_a_crash_loop_on_both_nodes_moves_the_address_a_few_times_an_hour(
    tmp_path: Path, clock: Clock, lives: int
) -> None:
    """The figures of crane-keepalived(7), AT NIGHT; 900 is RestartPause unless told otherwise."""
    roots = [tmp_path / name for name in ("node1", "node2")]
    for root in roots:
        (root / failures.HANDED_OVER).parent.mkdir(parents=True)
        (root / failures.RECORD).write_text("0\n")
    began, queues, moves = clock.now, dict.fromkeys(roots, clock.now), []
    last = roots[1]
    while clock.now < began + 12 * 3600:
        node = min(roots, key=lambda root: (max(queues[root], clock.now), root == last))
        clock.now = max(clock.now, queues[node])
        if node != last:
            moves.append(clock.now - began)
        last = node
        failures.begins(node, PID)
        clock.passes(lives)
        queues[node] = clock.now + 1 + int(failures.pause(failures.settle(node, asked=False), 900))  # RestartSec=1
    assert sum(moment < 3600 for moment in moves) <= 18
    for hour in range(3600, 12 * 3600, 600):
        assert sum(hour <= moment < hour + 3600 for moment in moves) <= 8


def test_a_node_whose_daemon_keeps_failing_leaves_the_queue_to_the_other(nodes: Callable[..., Node]) -> None:
    node, other = nodes(), nodes()
    for _ in range(3):
        node.start(["/bin/false"])
        assert node.wait_for_end() == 1
    other.start()
    wait_until("the other node serves", other.serves)
    node.start(["/bin/false"])
    told = "standby, cannot take over: cranectld failed here 3 times in a row: queues again after 10 s"
    wait_until("the node waits", lambda: node.said(told))
    assert not node.said("standby: waits for the storage lock")


def test_it_queues_again_at_once_when_a_holder_that_lasted_is_lost(nodes: Callable[..., Node]) -> None:
    node, other = nodes(), nodes()
    assert fails(node.root, 5) == 5
    other.start()
    node.start(storage="from crane_keepalived import failures; failures.LASTING = 2")
    wait_until("the node waits", lambda: node.said("queues again after 300 s"))
    began = other.beats()
    wait_until("the other one lasts, and is heard", lambda: other.beats() > began + 15)
    assert not node.serves()
    other.stop()
    wait_until("the node serves", node.serves)


def test_a_failback_is_not_counted(nodes: Callable[..., Node]) -> None:
    backup = nodes(ROLE="backup", FAILBACK="yes", FAILBACK_DELAY="0")
    master = nodes(FAILBACK="yes")
    backup.start()
    wait_until("the backup serves", backup.serves)
    master.start()
    assert backup.wait_for_end() == -signal.SIGTERM
    assert failures.settle(backup.root, asked=False) == 0
