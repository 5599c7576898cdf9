"""keepalived starts notify scripts side by side, late, twice: the orders given fit what is true, and no more."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from crane_keepalived import unit

from .node import CRANE, LIBEXEC, RESTART, Node

TRANSITIONS = ("on_master.sh", "on_backup.sh", "on_fault.sh", "check_and_failover.sh")
EACH = 6
AT_ONCE = 8


def storm(node: Node, *scripts: str) -> None:
    """Every script ``EACH`` times, shuffled (the same way every time), several at once."""
    calls = [script for script in scripts or TRANSITIONS for _ in range(EACH)]
    random.Random(len(calls)).shuffle(calls)  # noqa: S311 # an order, not a secret
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for script, status in zip(calls, pool.map(node.run, calls)):
            assert status == 0 or script == "check_and_failover.sh"


def test_a_standby_is_ordered_nothing(node: Node) -> None:
    storm(node)
    assert node.orders() == []


def test_a_healthy_holder_is_ordered_nothing(node: Node) -> None:
    node.holds_the_lock()
    storm(node)
    assert node.orders() == []


def test_a_holder_without_a_link_is_only_ever_restarted(node: Node) -> None:
    node.holds_the_lock()
    node.link_is_down()
    storm(node)
    assert node.orders() == EACH * [RESTART]


def test_an_ill_holder_is_only_ever_restarted(node: Node) -> None:
    node.executable("check.d/fails", "exit 1")
    node.holds_the_lock()
    storm(node)
    assert node.orders() == EACH * [RESTART]


def test_a_dead_holder_is_ordered_nothing(node: Node) -> None:
    node.holder_died()
    storm(node)
    assert node.orders() == []


@contextmanager
def gate_opens_and_closes(node: Node, every: float) -> Iterator[None]:
    """The lock comes and goes, by the very code that runs on a node; ``every`` so many seconds."""
    enough = threading.Event()

    def flip() -> None:
        while not enough.wait(every):
            unit.open_gate(os.getpid(), node.root)
            enough.wait(every)
            unit.close_gate(node.root)

    flipping = threading.Thread(target=flip)
    flipping.start()
    try:
        yield
    finally:
        enough.set()
        flipping.join()


def test_a_lock_that_comes_and_goes_under_the_scripts_calls_for_no_order(node: Node) -> None:
    with gate_opens_and_closes(node, every=0.0005):
        storm(node)
    assert node.orders() == []


def test_a_half_read_process_is_never_taken_for_the_holder(node: Node) -> None:
    # dash reads byte by byte. "1" and the end of the "0" that was written over it, an open gate without a process, is
    # left over: three in a million, under a writer that does nothing else
    node.executable(
        "read-on",
        f". /{LIBEXEC}/node-state.sh",
        "while :; do",
        "    read_gate",
        f'    case "$open $pid" in "1 {os.getpid()}" | "1 " | [!1]*) ;; *) note "$open $pid"; exit ;; esac',
        "done",
    )
    program = node.root / LIBEXEC / "read-for-a-while"
    program.write_text("#!/bin/sh\ntimeout 0.5 /etc/crane-keepalived/read-on\n:\n")
    program.chmod(0o755)
    with gate_opens_and_closes(node, every=0):
        node.run(program.name)
    assert node.notes() == []


@pytest.mark.parametrize("latecomer", TRANSITIONS[:3])
def test_after_a_storm_the_gate_is_closed_and_a_latecomer_orders_nothing(node: Node, latecomer: str) -> None:
    node.holds_the_lock()
    node.link_is_down()
    running = [node.start(script) for script in ("on_fault.sh", "on_master.sh", "on_backup.sh")]
    assert node.run("close-gate", user=CRANE) == 0
    for script in running:
        assert node.end(script) == (0, "")
    assert set(node.orders()) <= {RESTART}
    node.forget_calls()
    assert node.run(latecomer) == 0
    assert node.orders() == []
