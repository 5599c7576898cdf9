"""on_master.sh, on_backup.sh, on_fault.sh: each looks at what is true now, and gives at most one order, to one unit."""

from __future__ import annotations

import os
import time
from typing import Optional

import pytest

from .node import ASK, RESTART, Node, ended_process

TRANSITIONS = ("on_master.sh", "on_backup.sh", "on_fault.sh")
CLOSED = ("0\n", "", None, "garbage\n", f"0 {os.getpid()}\n")
FAILED = ("signal", "exit-code", "core-dump", "watchdog", "timeout", "start-limit-hit", "")


@pytest.fixture(autouse=True)
def _hooks(node: Node) -> None:
    for state in ("master", "backup", "fault"):
        node.executable(f"{state}.d/hook", f"note {state}")


# ---- on_master.sh: the address came here ----


def test_on_master_with_a_holder_that_lives_has_nothing_to_order(node: Node) -> None:
    node.holds_the_lock()
    assert node.run("on_master.sh") == 0
    assert node.calls("systemctl") == []
    assert node.notes() == ["master"]
    assert "this node is active" in node.log()


@pytest.mark.parametrize("process", [None, "", " 0", " garbage"])
def test_on_master_leaves_a_holder_that_died_to_systemd(node: Node, process: Optional[str]) -> None:
    node.gate_holds(f"1{f' {ended_process()}' if process is None else process}\n")
    assert node.run("on_master.sh") == 0
    assert node.calls("systemctl") == []
    assert "this node is active" not in node.log()
    assert node.notes() == []


@pytest.mark.parametrize("gate", CLOSED)
def test_on_master_with_a_closed_gate_orders_nothing(node: Node, gate: Optional[str]) -> None:
    node.gate_holds(gate)
    assert node.run("on_master.sh") == 0
    assert node.calls("systemctl") == []


def test_a_late_on_master_does_not_call_a_standby_active(node: Node) -> None:
    assert node.run("on_master.sh") == 0
    assert "this node is active" not in node.log()
    assert node.notes() == []


# ---- on_backup.sh: the gate opened, or another node is the master ----


def test_on_backup_with_the_lock_here_waits_for_the_address(node: Node) -> None:
    node.holds_the_lock()
    assert node.run("on_backup.sh") == 0
    assert node.calls() == []


def test_on_backup_without_the_lock_tells_the_backup_hooks(node: Node) -> None:
    assert node.run("on_backup.sh") == 0
    assert node.calls("systemctl") == []
    assert node.notes() == ["backup"]


# ---- on_fault.sh: the address is not to be here ----


@pytest.mark.parametrize(
    ("record", "age", "hook"),
    [
        ("1 {}\n", 1, "fault"),
        ("1 {}\n", 60, "backup"),
        ("0 0\n", 0, "backup"),
        ("0 {} 4711\n", 0, "backup"),
        # it is cranectld's user who writes it, and root who reads
        ("1 a[$(note_broken_into)]\n", 0, "backup"),
    ],
)
def test_on_fault_that_comes_late_sees_the_failure_in_the_record(node: Node, record: str, age: int, hook: str) -> None:
    at = int(time.clock_gettime(time.CLOCK_BOOTTIME)) - age
    (node.root / "run/crane-keepalived.failures").write_text(record.format(at))
    assert node.run("on_fault.sh") == 0
    assert node.notes() == [hook]


def test_on_fault_tells_that_the_restart_is_for_a_failure(node: Node) -> None:
    node.executable("check.d/check", "exit 1")
    node.holds_the_lock()
    assert node.run("on_fault.sh") == 0
    said = node.root / "run/crane-keepalived/failed"
    assert said.read_text() == f"{os.getpid()}\n"
    assert said.stat().st_mode & 0o777 == 0o644  # cranectld's user reads it


@pytest.mark.parametrize("gate", ["0", "1 1"], ids=["the queue", "the next daemon"])
def test_on_fault_restarts_nobody_else_when_the_daemon_has_gone_during_its_check(node: Node, gate: str) -> None:
    node.executable("check.d/slow", f"echo {gate} >/run/crane-keepalived.gate", "exit 1")
    node.holds_the_lock()
    assert node.run("on_fault.sh") == 0
    assert node.orders() == []
    assert not (node.root / "run/crane-keepalived/failed").exists()
    assert node.notes() == ["fault"]
    assert "cranectld is not well: the heartbeat has let it go" in node.log()


def test_on_fault_hands_over_when_the_link_is_down(node: Node) -> None:
    node.holds_the_lock()
    node.link_is_down()
    assert node.run("on_fault.sh") == 0
    assert node.calls("systemctl") == [RESTART]
    assert node.notes() == ["fault"]
    assert "the link of ens33 is down: handing over" in node.log()


def test_a_pulled_cable_is_enough_the_checks_are_not_waited_for(node: Node) -> None:
    node.executable("check.d/check", "note ran")
    node.holds_the_lock()
    node.link_is_down()
    assert node.run("on_fault.sh") == 0
    assert node.notes() == ["fault"]


def test_an_interface_that_is_gone_or_switched_off_is_a_link_that_is_down(node: Node) -> None:
    node.holds_the_lock()
    node.link_is_off()
    assert node.run("on_fault.sh") == 0
    assert node.orders() == [RESTART]


def test_the_interface_of_the_settings_is_looked_at(node: Node) -> None:
    node.has_settings(INTERFACE="bond0.100")
    node.holds_the_lock()
    node.run("on_fault.sh")
    assert node.orders() == [RESTART]


def test_on_fault_hands_over_when_a_check_fails(node: Node) -> None:
    node.executable("check.d/fails", "exit 1")
    node.holds_the_lock()
    assert node.run("on_fault.sh") == 0
    assert node.calls("systemctl") == [RESTART]
    assert node.notes() == ["fault"]
    assert "cranectld is not well: handing over" in node.log()


def test_on_fault_hands_over_when_a_check_hangs(node: Node) -> None:
    node.has_settings(CHECK_TIMEOUT="0.2")
    node.executable("check.d/hangs", "sleep 60")
    node.holds_the_lock()
    assert node.run("on_fault.sh") == 0
    assert node.calls("systemctl") == [RESTART]


def test_on_fault_leaves_alone_what_is_mended_already(node: Node) -> None:
    node.executable("check.d/passes", ":")
    node.holds_the_lock()
    assert node.run("on_fault.sh") == 0
    assert node.calls("systemctl") == []
    assert node.notes() == []
    assert node.log() == ""


@pytest.mark.parametrize("gate", CLOSED)
def test_on_fault_with_a_closed_gate_is_a_standby(node: Node, gate: Optional[str]) -> None:
    node.gate_holds(gate)
    node.link_is_down()  # not its business: nothing to hand over
    node.executable("check.d/fails", "exit 1")
    assert node.run("on_fault.sh") == 0
    assert node.calls("systemctl") == [ASK]
    assert node.notes() == ["backup"]
    assert "this node does not serve" in node.log()


@pytest.mark.parametrize("result", FAILED)
def test_on_fault_after_a_failed_run_is_a_fault(node: Node, result: str) -> None:
    node.systemd_says(result)
    assert node.run("on_fault.sh") == 0
    assert node.calls("systemctl") == [ASK]
    assert node.notes() == ["fault"]
    assert "cranectld failed on this node" in node.log()


def test_on_fault_leaves_a_holder_that_died_to_systemd(node: Node) -> None:
    node.holder_died()
    node.systemd_says("signal")
    assert node.run("on_fault.sh") == 0
    assert node.orders() == []
    assert node.notes() == ["fault"]


# ---- all of them ----


@pytest.mark.parametrize("script", TRANSITIONS)
def test_a_node_that_is_not_set_up_is_left_alone(node: Node, script: str) -> None:
    node.is_not_set_up()
    node.holder_died()
    assert node.run(script) == 0
    assert node.calls() == []


@pytest.mark.parametrize("script", TRANSITIONS)
def test_a_log_that_is_down_stops_nothing(node: Node, script: str) -> None:
    node.fails("logger")
    node.holds_the_lock()
    node.link_is_down()
    assert node.run(script) == 0
    assert node.orders() == ([RESTART] if script == "on_fault.sh" else [])


def test_a_systemd_that_refuses_still_lets_the_hooks_hear_of_it(node: Node) -> None:
    node.fails("systemctl")
    assert node.run("on_fault.sh") == 0
    node.holds_the_lock()
    node.link_is_down()
    assert node.run("on_fault.sh") == 0
    assert node.notes() == ["fault", "fault"]
