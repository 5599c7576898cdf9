"""fence, before each start of cranectld: reboots a node on which a killed one sleeps in the kernel, and no other."""

from __future__ import annotations

import os
from typing import Optional

import pytest

from .node import Node

REBOOT = ("reboot", "--force", "--force", "--no-sync", "--no-wtmp", "--no-wall")
UNIT = "sys/fs/cgroup/system.slice/cranectld.service"


def thread(state: str, flags: int = 0, pending: int = 0) -> str:
    """What stat(5) of proc has behind the name: state third, flags ninth, pending signals 31st."""
    return " ".join([state, *"11111", str(flags), *["1"] * 21, str(pending), "1"])


KILLED = thread("D", 0x400000, 256)
EXITING = thread("D", 0x400004)


def has_processes(node: Node, *states: str, once: bool = False) -> None:
    """The unit's cgroup, with processes in these states; ``once``: a look later they are gone."""
    # else it would be this machine that reboots
    assert (node.root / "usr/local/bin/reboot").is_symlink()
    (node.root / UNIT).mkdir(parents=True)
    procs = node.root / UNIT / "cgroup.threads"
    lines = ""
    for number, state in enumerate(states, 1):
        # /proc is the machine's own: a number that it cannot give
        pid = f"../stuck/{number}"
        (node.root / "stuck" / str(number)).mkdir(parents=True)
        (node.root / "stuck" / str(number) / "stat").write_text(f"{number} (cranectld (x) D) {state}\n")
        lines += pid + "\n"
    procs.write_text(lines)
    if once:
        node.executable("../../usr/local/bin/sleep", f"rm /{UNIT}/cgroup.threads")


def reboots(node: Node) -> bool:
    return REBOOT in node.calls("reboot")


@pytest.mark.parametrize("killed", [KILLED, EXITING])
def test_a_killed_thread_that_sleeps_in_the_kernel_reboots_the_node(node: Node, killed: str) -> None:
    has_processes(node, killed)
    node.run("fence")
    assert reboots(node)
    assert "cranectld was killed and does not end (thread ../stuck/1): this node reboots" in node.log()


def test_it_is_found_among_others(node: Node) -> None:
    has_processes(node, thread("S", 4, 256), thread("Z", 4), KILLED)
    node.run("fence")
    assert reboots(node)


@pytest.mark.parametrize(
    "states",
    [None, (), (thread("R", 4, 256),), (thread("S"), thread("T")), (thread("Z", 4),), (thread("D", 0x400000, 2),)],
)
def test_no_other_does(node: Node, states: Optional[tuple[str, ...]]) -> None:
    if states is not None:
        has_processes(node, *states)
    assert node.run("fence") == 0
    assert not reboots(node)
    assert node.log() == ""


def test_one_on_its_way_out_does_not(node: Node) -> None:
    has_processes(node, KILLED, once=True)
    assert node.run("fence") == 0
    assert not reboots(node)


def test_one_that_has_ended_meanwhile_does_not(node: Node) -> None:
    has_processes(node)
    (node.root / UNIT / "cgroup.threads").write_text("999999999\n")
    assert node.run("fence") == 0
    assert not reboots(node)


def test_a_process_that_lives_is_not_stuck(node: Node) -> None:
    has_processes(node)
    (node.root / UNIT / "cgroup.threads").write_text(f"{os.getpid()}\n")
    assert node.run("fence") == 0
    assert not reboots(node)
