"""The administrator's hooks: told what happened, in order and for a limited time, when all else is done."""

from __future__ import annotations

import time
from typing import Callable, Optional

import pytest

from .node import RESTART, Node

State = tuple[str, Callable[[Node], None]]


def _active(node: Node) -> None:
    node.holds_the_lock()


def _standing_by(node: Node) -> None:
    node.stands_by()


def _handing_over(node: Node) -> None:
    node.holds_the_lock()
    node.link_is_down()


SCRIPT = {"master": "on_master.sh", "backup": "on_backup.sh", "fault": "on_fault.sh"}
MAKE_TRUE = {"master": _active, "backup": _standing_by, "fault": _handing_over}


@pytest.fixture(params=SCRIPT)
def state(request: pytest.FixtureRequest, node: Node) -> str:
    """A state that has come true on the node: master, backup or fault."""
    MAKE_TRUE[request.param](node)
    return str(request.param)


def enter(node: Node, state: str) -> None:
    """keepalived tells of the state. However its hooks fare, the script ends well."""
    assert node.run(SCRIPT[state]) == 0


def test_only_the_hooks_of_the_state_run_in_the_order_of_their_names(node: Node, state: str) -> None:
    for folder in ("master.d", "backup.d", "fault.d", "check.d"):
        node.executable(f"{folder}/20-then")
        node.executable(f"{folder}/10-first")
    node.link_is_down()
    enter(node, state)
    assert node.notes() == [f"{state}.d/10-first", f"{state}.d/20-then"]


def test_hooks_learn_state_addresses_and_role(node: Node, state: str) -> None:
    node.executable(f"{state}.d/tell", 'note "$CRANE_HA_STATE" "$CRANE_HA_ADDRESSES" "$CRANE_HA_ROLE"')
    enter(node, state)
    assert node.calls("note") == [("note", state, "192.168.1.211 fd00::211", "master")]


def test_a_node_of_the_other_role_says_so(node: Node, state: str) -> None:
    node.has_settings(ROLE="backup")
    node.executable(f"{state}.d/tell", 'note "$CRANE_HA_ROLE"')
    enter(node, state)
    assert node.notes() == ["backup"]


def test_settings_reach_hooks_letter_for_letter(node: Node, state: str) -> None:
    value = "$(note no) `note no` $HOME 'a' \"b\" \\ * ;|& ü"
    node.has_settings(ADDRESSES=value)
    node.executable(f"{state}.d/tell", 'note "$CRANE_HA_ADDRESSES"')
    enter(node, state)
    assert node.notes() == [value]


@pytest.mark.parametrize(
    ("record", "failures"),
    [
        ("0 0 4711\n", "1"),
        ("2 99999 4711\n", "3"),
        ("3 99999\n", "3"),
        (None, "0"),
        ("", "0"),
        ("-1 0\n", "0"),
        ("08 0 1\n", "1"),
        ("9999 0\n", "0"),
        # it is cranectld's user who writes it, and root who reads
        ("a[$(note_broken_into)] 0 1\n", "1"),
        ("0 0 $(note_broken_into)\n", "1"),
    ],
)
def test_the_hooks_of_a_fault_learn_how_often(node: Node, record: Optional[str], failures: str) -> None:
    if record is not None:
        (node.root / "run/crane-keepalived.failures").write_text(record)
    node.executable("fault.d/tell", 'note "$CRANE_HA_FAILURES"')
    node.gate_holds("0 fault\n")
    assert node.run("on_fault.sh") == 0
    assert node.calls("note") == [("note", failures)]


def test_hooks_learn_nothing_of_the_storage(node: Node, state: str) -> None:
    node.has_settings(HA_LOCK="/storage/lock", ALIVE_FILE="/storage/alive")
    node.executable(f"{state}.d/tell", "env | grep /storage && note leaked", "note end")
    enter(node, state)
    assert node.notes() == ["end"]


def test_a_hook_that_fails_neither_stops_the_next_nor_breaks_the_transition(node: Node, state: str) -> None:
    node.executable(f"{state}.d/10-fails", "exit 3")
    node.executable(f"{state}.d/20-dies", "kill -9 $$")
    node.executable(f"{state}.d/30-next")
    ended = node.end(node.start(SCRIPT[state]))  # bash says "Killed" of its own accord
    assert ended.status == 0
    assert node.notes() == [f"{state}.d/30-next"]
    assert f"{state}.d/10-fails: failed with status 3" in node.log()
    assert f"{state}.d/20-dies: failed with status" in node.log()


def test_a_hook_that_hangs_is_ended_and_the_next_runs(node: Node, state: str) -> None:
    node.has_settings(HOOK_TIMEOUT="0.5")
    node.executable(f"{state}.d/10-hangs", "sleep 60")
    node.executable(f"{state}.d/20-next")
    enter(node, state)
    assert node.notes() == [f"{state}.d/20-next"]
    assert f"{state}.d/10-hangs: failed with status 124" in node.log()


def test_a_hook_that_does_not_heed_sigterm_is_killed(node: Node) -> None:
    node.has_settings(HOOK_TIMEOUT="0.5")
    node.executable("backup.d/10-stubborn", "trap '' TERM", "while :; do sleep 0.1; done")
    node.executable("backup.d/20-next")
    ended = node.end(node.start("on_backup.sh"))  # bash says "Killed" of its own accord
    assert ended.status == 0
    assert node.notes() == ["backup.d/20-next"]


def test_the_time_limit_comes_from_the_settings(node: Node) -> None:
    node.has_settings(HOOK_TIMEOUT="1", CHECK_TIMEOUT="0.1")
    node.executable("backup.d/10-slow", "sleep 0.3; note done")
    node.executable("backup.d/20-hangs", "sleep 60")
    started = time.monotonic()
    enter(node, "backup")
    assert 1.3 <= time.monotonic() - started < 5.0
    assert node.notes() == ["done"]
    assert "20-hangs: failed with status 124 (124: it ran longer than 1 s;" in node.log()


def test_a_hook_that_reads_gets_the_end_of_file(node: Node, state: str) -> None:
    node.executable(f"{state}.d/reads", 'note "read: $(cat)"')
    enter(node, state)
    assert node.notes() == ["read: "]


def test_what_a_hook_prints_goes_nowhere(node: Node, state: str) -> None:
    node.executable(f"{state}.d/talks", "echo out; echo err >&2")
    enter(node, state)
    assert "failed" not in node.log()


def test_a_hook_of_another_owner_does_not_run(node: Node, state: str) -> None:
    node.executable(f"{state}.d/10-theirs", owner=1001)
    node.executable(f"{state}.d/20-groups", mode=0o775)
    node.executable(f"{state}.d/30-text", mode=0o644)
    enter(node, state)
    assert node.notes() == []
    assert node.log().count(": not run, for it must belong to root") == 2


def test_hooks_come_last_so_that_a_slow_one_delays_no_order(node: Node) -> None:
    node.executable("fault.d/hook")
    _handing_over(node)
    enter(node, "fault")
    assert node.calls("systemctl", "note") == [RESTART, ("note", "fault.d/hook")]


def test_no_hook_folder_is_no_hook(node: Node, state: str) -> None:
    (node.etc / f"{state}.d").rmdir()
    enter(node, state)
