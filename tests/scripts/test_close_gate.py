"""close-gate, ExecStopPost of cranectld.service: as the unit's user, to whom the gate belongs, but not its folder."""

from __future__ import annotations

import os
import time
from typing import Optional

import pytest

from .node import CRANE, Node

PAUSE = 0.05  # seconds in which the next holder opens its gate, before it hears that the address is free
CLOCK = 0.01  # the kernel's clock for the times of files ticks this coarsely


def test_an_open_gate_is_closed(node: Node) -> None:
    node.holds_the_lock()
    assert node.run("close-gate", user=CRANE) == 0
    assert node.gate.read_text() == "0\n"
    assert node.calls() == []


def test_it_is_closed_after_a_pause(node: Node) -> None:
    node.holder_died()
    started = time.time()
    assert node.run("close-gate", user=CRANE) == 0
    assert PAUSE - CLOCK <= node.gate.stat().st_mtime - started < 1.0


def test_the_gate_stays_the_file_that_keepalived_watches(node: Node) -> None:
    node.holds_the_lock()
    before = node.gate.stat()
    node.run("close-gate", user=CRANE)
    after = node.gate.stat()
    assert (after.st_ino, after.st_mode, after.st_uid) == (before.st_ino, before.st_mode, CRANE)


def test_a_gate_that_may_not_be_written_is_closed(node: Node) -> None:
    node.holds_the_lock()
    node.gate.chmod(0)
    assert node.run("close-gate", user=CRANE) == 0
    assert node.gate.read_text() == "0\n"
    assert node.gate.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("content", ["0\n", "0", "", "\n", "garbage\n", "0 1\n"])
def test_a_closed_gate_is_left_untouched(node: Node, content: str) -> None:
    node.gate_holds(content)
    os.utime(node.gate, (1, 1))
    assert node.run("close-gate", user=CRANE) == 0
    assert node.gate.read_text() == content
    assert node.gate.stat().st_mtime == 1


@pytest.mark.parametrize("user", [0, CRANE])
def test_a_missing_gate_is_not_made(node: Node, user: int) -> None:
    node.gate_holds(None)
    assert node.end(node.start("close-gate", user)).status == 0
    assert not node.gate.exists()


@pytest.mark.parametrize("content", ["1 123", "1", "1\n", "1 garbage\n"])
def test_an_open_gate_is_closed_whatever_follows_the_one(node: Node, content: Optional[str]) -> None:
    node.gate_holds(content)
    assert node.run("close-gate", user=CRANE) == 0
    assert node.gate.read_text() == "0\n"


def test_it_needs_no_settings(node: Node) -> None:
    node.is_not_set_up()
    node.holds_the_lock()
    assert node.run("close-gate", user=CRANE) == 0
    assert node.gate.read_text() == "0\n"


def test_many_at_once_leave_one_closed_gate(node: Node) -> None:
    node.holds_the_lock()
    for running in [node.start("close-gate", CRANE) for _ in range(10)]:
        assert node.end(running) == (0, "")
    assert node.gate.read_text() == "0\n"
