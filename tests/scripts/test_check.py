"""check_and_failover.sh, keepalived's vrrp_script: false where this node has the lock and is not well, else true."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Optional

import pytest

from crane_keepalived import unit

from .node import Node, wait_for_end_of

CHECK = "check_and_failover.sh"

CLOSED: dict[str, Optional[str]] = {
    "closed": "0\n",
    "closed without a newline": "0",
    "missing": None,
    "empty": "",
    "a newline": "\n",
    "blanks": "   \n\n",
    "a word": "garbage\n",
    "an open one in the wrong place": "0 1\n",
    "a negative number": "-1 1\n",
    "zero bytes": "\0\0\0\n",
    "a pattern": "* *\n",
    "a command": "$(note ran) `note ran`\n",
    "an option": "-d /\n",
}


@pytest.mark.parametrize("content", CLOSED.values(), ids=CLOSED)
def test_a_standby_has_nothing_to_check(node: Node, content: Optional[str]) -> None:
    node.executable("check.d/fails", "note ran; exit 1")
    node.gate_holds(content)
    assert node.run(CHECK) == 0
    assert node.calls() == []


def test_a_folder_in_the_gates_place_is_a_closed_gate(node: Node) -> None:
    node.gate_holds(None)
    node.gate.mkdir()
    assert node.run(CHECK) == 0


def test_a_holder_that_lives_is_well(node: Node) -> None:
    node.holds_the_lock()
    assert node.run(CHECK) == 0
    assert node.calls() == []


@pytest.mark.parametrize("process", ["", " ", " garbage", " -1", " 0", " 1 2", " *", " no such/process", " $$"])
def test_an_open_gate_without_a_process_is_not_well(node: Node, process: str) -> None:
    node.gate_holds(f"1{process}\n")
    assert node.run(CHECK) != 0


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_holder_that_is_stopped_or_a_zombie_is_not_well(node: Node, number: signal.Signals) -> None:
    holder = subprocess.Popen(["/bin/sleep", "60"])
    try:
        unit.open_gate(holder.pid, node.root)
        assert node.run(CHECK) == 0
        holder.send_signal(number)
        stat = Path(f"/proc/{holder.pid}/stat")
        deadline = time.monotonic() + 5
        while stat.read_text().split()[2] not in "TZ":
            assert time.monotonic() < deadline
        assert node.run(CHECK) != 0
    finally:
        holder.kill()
        holder.wait()


def test_a_daemon_that_starts_has_its_grace_until_a_check_has_passed(node: Node) -> None:
    node.has_settings(CHECK_GRACE="60")
    node.executable("check.d/port", "test -e /ready")
    node.holds_the_lock()
    assert node.run(CHECK) == 0
    (node.root / "ready").touch()
    assert node.run(CHECK) == 0
    (node.root / "ready").unlink()
    assert node.run(CHECK) != 0


def test_the_grace_ends_whatever_the_clock_says(node: Node) -> None:
    node.has_settings(CHECK_GRACE="60")
    node.executable("check.d/fails", "exit 1")
    node.holds_the_lock()
    for jump in (-3600, 3600):
        os.utime(node.gate, (time.time() + jump,) * 2)
        assert node.run(CHECK) == 0
    failing = node.root / "run/crane-keepalived/failing"
    process, since = map(int, failing.read_text().split())
    assert 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - since < 30
    failing.write_text(f"{process} {since - 60}\n")
    assert node.run(CHECK) != 0


def test_the_grace_of_one_daemon_is_not_that_of_the_next(node: Node) -> None:
    node.has_settings(CHECK_GRACE="60")
    node.executable("check.d/fails", "exit 1")
    node.holds_the_lock()
    (node.root / "run/crane-keepalived/failing").write_text(f"{os.getpid() + 1} 1\n")
    assert node.run(CHECK) == 0


def test_without_a_place_to_note_its_beginning_there_is_no_grace(node: Node) -> None:
    node.has_settings(CHECK_GRACE="60")
    node.executable("check.d/fails", "exit 1")
    node.holds_the_lock()
    (node.root / "run/crane-keepalived").rmdir()
    assert node.run(CHECK) != 0


def test_a_holder_that_died_is_not_well(node: Node) -> None:
    node.holder_died()
    assert node.run(CHECK) != 0


def test_a_dead_holder_is_not_well_whatever_the_checks_say(node: Node) -> None:
    node.executable("check.d/passes", "note ran")
    node.holder_died()
    assert node.run(CHECK) != 0
    assert node.notes() == []


def test_a_node_that_is_not_set_up_is_no_fault(node: Node) -> None:
    node.is_not_set_up()
    node.holder_died()
    assert node.run(CHECK) == 0
    assert node.calls() == []


# ---- the administrator's checks ----


def test_every_check_runs_in_the_order_of_the_names(node: Node) -> None:
    for name in ("check.d/20-second", "check.d/10-first", "check.d/30-third"):
        node.executable(name)
    node.holds_the_lock()
    assert node.run(CHECK) == 0
    assert node.notes() == ["check.d/10-first", "check.d/20-second", "check.d/30-third"]
    assert node.log() == ""


def test_one_failing_check_is_enough_and_the_log_names_it(node: Node) -> None:
    node.executable("check.d/10-passes")
    failing = node.executable("check.d/20-fails", "exit 7")
    node.executable("check.d/30-passes")
    node.holds_the_lock()
    assert node.run(CHECK) == 1
    assert str(failing.relative_to(node.root)) in node.log()
    assert "status 7" in node.log()


def test_a_failing_check_is_not_forgotten_over_one_that_passes_after_it(node: Node) -> None:
    node.executable("check.d/10-fails", "exit 1")
    node.executable("check.d/20-passes")
    node.holds_the_lock()
    assert node.run(CHECK) == 1


def test_a_check_that_hangs_fails_when_its_time_is_up_and_leaves_no_process(node: Node) -> None:
    node.has_settings(CHECK_TIMEOUT="1", HOOK_TIMEOUT="10")
    node.executable("check.d/10-hangs", "sleep 60 & note $!; wait")
    node.executable("check.d/20-slow", "sleep 0.2; note done")
    node.holds_the_lock()
    started = time.monotonic()
    assert node.run(CHECK) == 1
    assert 1.2 <= time.monotonic() - started < 5.0
    assert "10-hangs: failed with status 124 (124: it ran longer than 1 s;" in node.log()
    hung, following = node.notes()
    assert following == "done"
    wait_for_end_of(int(hung))


def test_a_check_prints_into_the_void_and_reads_nothing(node: Node) -> None:
    node.executable("check.d/talks", "cat; echo out; echo err >&2; note end")
    node.holds_the_lock()
    assert node.run(CHECK) == 0
    assert node.notes() == ["end"]


def test_no_check_folder_is_no_check(node: Node) -> None:
    (node.etc / "check.d").rmdir()
    node.holds_the_lock()
    assert node.run(CHECK) == 0


def test_a_log_that_is_down_changes_no_verdict(node: Node) -> None:
    node.fails("logger")
    node.executable("check.d/fails", "exit 1")
    node.holds_the_lock()
    assert node.run(CHECK) == 1
