"""The door to other programs, and to functions that may hang or need another user."""

from __future__ import annotations

import os
import pwd
import signal
from pathlib import Path

import pytest

from crane_keepalived import run
from crane_keepalived.errors import HaError, ProgramError, UnansweredError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")


def test_a_program_gets_a_clean_environment_and_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "")
    assert run.run("env").stdout.splitlines() == [f"PATH={run.PATH}", "LC_ALL=C.UTF-8"]
    assert run.run("cat").stdout == ""
    assert run.run("pwd").stdout == "/\n"


def test_a_failure_is_one_line_with_what_it_said() -> None:
    with pytest.raises(ProgramError) as caught:
        run.run("sh", "-c", "echo one >&2; echo two >&2; exit 3")
    assert str(caught.value) == "`sh -c echo one >&2; echo two >&2; exit 3` failed with status 3: one / two"
    assert run.run("false", check=False).returncode == 1


def test_a_program_that_is_missing_or_late() -> None:
    with pytest.raises(ProgramError, match="no-such-program is not installed"):
        run.run("no-such-program")
    with pytest.raises(ProgramError, match=r"`sleep 9` did not end in 0\.1 s"):
        run.run("sleep", "9", timeout=0.1)
    assert run.installed("sh")
    assert not run.installed("no-such-program")


def test_a_function_returns_its_value() -> None:
    assert run.within(5, lambda: {"a": [1, None, "x" * 100_000]}) == {"a": [1, None, "x" * 100_000]}


def test_a_function_fails_as_it_failed() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        run.within(5, lambda: os.listdir("/no/such/folder"))
    assert caught.value.filename == "/no/such/folder"

    def fail() -> None:
        raise ValueError("out of range")

    with pytest.raises(HaError, match="out of range"):
        run.within(5, fail)
    with pytest.raises(HaError, match="not JSON serializable"):
        run.within(5, lambda: Path("/"))


def test_a_function_that_hangs_is_given_up_and_leaves_no_child() -> None:
    with pytest.raises(UnansweredError, match=r"no answer in 0\.1 s"):
        run.within(0.1, signal.pause)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_function_whose_process_dies() -> None:
    with pytest.raises(HaError, match="was killed"):
        run.within(5, lambda: os.kill(os.getpid(), signal.SIGKILL))


@needs_root
@pytest.mark.parametrize("by", ["name", "number"])
def test_as_user_has_that_users_rights_alone(by: str) -> None:
    nobody = pwd.getpwnam("nobody")

    def who() -> list[object]:
        return [os.getresuid(), os.getresgid(), os.getgroups()]

    name = "nobody" if by == "name" else str(nobody.pw_uid)
    uid, gid = nobody.pw_uid, nobody.pw_gid
    assert run.as_user(name, who, 5) == [[uid] * 3, [gid] * 3, [gid]]
    with pytest.raises(PermissionError):
        run.as_user(name, lambda: Path("/etc/shadow").read_text(), 5)
    assert os.geteuid() == 0


def test_an_unknown_user_is_an_error() -> None:
    if os.geteuid() == 0:
        with pytest.raises(HaError, match="no-such-user"):
            run.as_user("no-such-user", lambda: None, 5)
