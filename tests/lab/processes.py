"""The lab's one door to other programs: runs them inside the lab's or a node's namespaces."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from typing import IO, Any, Union

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}
Command = Union[str, Sequence[str]]


class CommandFailed(AssertionError):
    """A program that had to succeed did not; names it, its exit code and what it said."""


def argv_of(command: Command) -> list[str]:
    """A string is a shell line, a sequence an argument vector."""
    return ["/bin/sh", "-c", command] if isinstance(command, str) else [str(word) for word in command]


def inside(pid: int, *namespaces: str) -> list[str]:
    """The prefix that runs a program in namespaces (nsenter's long option names) of a process."""
    return ["nsenter", f"--target={pid}", *(f"--{name}" for name in namespaces), "--"]


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    timeout: float = 60,
    stdin: str | None = None,
    name: str = "",
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end. Raises CommandFailed when it fails (if `check`) or takes over `timeout` seconds."""
    process = start(argv, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL, env=env)
    label = name or shlex.join(argv)
    try:
        out, err = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        kill_group(process)
        out, err = process.communicate()
        raise CommandFailed(f"not done after {timeout:g} s: {label}\n{out}{err}") from None
    except BaseException:
        kill_group(process)
        raise
    if check and process.returncode:
        raise CommandFailed(f"exit code {process.returncode}: {label}\n{out}{err}")
    return subprocess.CompletedProcess(list(argv), process.returncode, out, err)


def start(
    argv: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[Any] = subprocess.PIPE,
    stderr: int | IO[Any] = subprocess.PIPE,
    env: dict[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Starts a program in a session of its own (so that Ctrl-C is ours to handle) and returns at once."""
    return subprocess.Popen(
        list(argv),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        text=True,
        errors="replace",
        env=dict(ENVIRONMENT, **(env or {})),
        start_new_session=True,
    )


def kill_group(process: subprocess.Popen[str]) -> None:
    """Ends a program started here with everything it started; nsenter's child is in the same process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
