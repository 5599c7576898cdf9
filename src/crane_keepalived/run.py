"""The only door to other programs, and to functions that may block or need another user's rights."""

from __future__ import annotations

import json
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn, Optional, TypeVar

from .errors import HaError, ProgramError, UnansweredError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

T = TypeVar("T")


def run(*argv: str, timeout: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program, without input and with a clean environment, and return what it said.

    Raises ProgramError when it is missing, takes longer than ``timeout`` seconds, or, with ``check``, fails.
    """
    try:
        done = subprocess.run(
            [find(argv[0]), *argv[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
            cwd="/",
            timeout=timeout,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProgramError(f"`{' '.join(argv)}` did not end in {timeout:g} s") from None
    if check and done.returncode:
        said = " / ".join(
            line.strip().rstrip(".") for line in (done.stderr or done.stdout).splitlines() if line.strip()
        )
        raise ProgramError(f"`{' '.join(argv)}` failed with status {done.returncode}" + (f": {said}" if said else ""))
    return done


def installed(program: str) -> bool:
    """Is the program there?"""
    return shutil.which(program, path=PATH) is not None


def find(program: str) -> str:
    """The program's path. Raises ProgramError when there is none."""
    path = shutil.which(program, path=PATH)
    if path is None:
        raise ProgramError(f"{program} is not installed")
    return path


def as_user(user: str, function: Callable[[], T], timeout: float) -> T:
    """``within``, with the rights of a user. A caller who is not root keeps his own."""
    return within(timeout, function, user if os.geteuid() == 0 else "")


def within(timeout: float, function: Callable[[], T], user: str = "") -> T:
    """Call a function in a child process and return its result, which must be what JSON can carry.

    The child is given up after ``timeout`` seconds: storage and name services may hang where nothing interrupts them.
    As it may be another user's, nothing but JSON is taken from it.
    Raises UnansweredError when time runs out, OSError as the function did, HaError for whatever else it raised.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(function, user, writing)
    os.close(writing)
    try:
        data = _read(reading, time.monotonic() + timeout)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        _bury(child)
    if data is None:
        raise UnansweredError(f"no answer in {timeout:g} s")
    answer = json.loads(data or '{"error": "the process that looked was killed"}')
    if "errno" in answer:
        raise OSError(answer["errno"], answer["said"], answer["path"] or None)
    if "error" in answer:
        raise HaError(answer["error"])
    value: T = answer["value"]
    return value


def _answer(function: Callable[[], Any], user: str, writing: int) -> NoReturn:
    try:
        try:
            if user:
                _become(user)
            data = json.dumps({"value": function()})
        except OSError as error:
            said = error.strerror or str(error)
            data = json.dumps({"errno": error.errno or 0, "said": said, "path": str(error.filename or "")})
        except BaseException as error:  # the parent must hear of everything
            data = json.dumps({"error": str(error) or type(error).__name__})
        left = data.encode()
        while left:
            left = left[os.write(writing, left) :]
    finally:
        os._exit(0)


def _become(user: str) -> None:
    entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    os.chdir("/")
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def _read(reading: int, deadline: float) -> Optional[bytes]:
    data = b""
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        part = os.read(reading, 65536)
        if not part:
            return data
        data += part


def _bury(child: int) -> None:
    # one that is stuck in the kernel ends when its storage comes back: init's then
    deadline = time.monotonic() + 0.5
    while os.waitpid(child, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.002)
