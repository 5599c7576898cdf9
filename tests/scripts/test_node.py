"""The tests' own node: that it is one, and that the host does not notice it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .node import CRANE, LIBEXEC, Node


def script(node: Node, *lines: str) -> str:
    """A script of ours beside the real ones; its name."""
    path = node.root / LIBEXEC / "ours"
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path.name


def test_the_shell_is_the_one_that_it_says(node: Node, shell: Path) -> None:
    node.run(script(node, 'note "${BASH_VERSION:+bash}" $(set -o | grep posix)'))
    assert node.notes() == ["bash posix on" if shell.name == "bash" else ""]


def test_a_script_sees_the_node_and_not_the_host(node: Node) -> None:
    node.run(script(node, f"[ ! -e '{node.root}' ] && [ -e /etc/crane-keepalived/settings ] && note confined"))
    assert node.notes() == ["confined"]


def test_a_script_sees_real_processes(node: Node) -> None:
    node.run(script(node, f"[ -d /proc/{os.getpid()} ] && note alive"))
    assert node.notes() == ["alive"]


def test_a_script_can_run_as_the_units_user_without_a_right_of_roots(node: Node) -> None:
    name = script(node, "id -u", "id -G", "2>/dev/null >/run/crane-keepalived/new || echo no")
    assert node.end(node.start(name, CRANE)) == (0, f"{CRANE}\n{CRANE}\nno\n")


def test_a_script_cannot_write_to_the_hosts_programs(node: Node) -> None:
    node.run(script(node, "touch /usr/bin/crane-test /usr/lib/crane-test 2>/dev/null && note written"))
    assert node.notes() == []


def test_the_host_sees_no_mount(node: Node) -> None:
    with node.start(script(node, "read -r _")) as waits_forever:
        assert str(node.root) not in Path("/proc/self/mountinfo").read_text()
        assert not any((node.root / "host").iterdir())
        waits_forever.kill()


def test_calls_are_recorded_word_by_word(node: Node) -> None:
    node.run(script(node, "note one 'two words' '' '*'"))
    assert node.calls() == [("note", "one", "two words", "", "*")]


@pytest.mark.parametrize("call", ["systemctl stop cranectld.service", "systemctl --no-block restart sshd.service"])
def test_a_forbidden_call_would_be_seen(node: Node, call: str) -> None:
    node.run(script(node, call))
    assert node.orders() == [tuple(call.split())]
    node.forget_calls()
