"""A dead client's locks, kept as a file server would: a flock lives as long as a copy of its descriptor."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

SYS_PIDFD_GETFD = 438  # the same number on every architecture

libc = ctypes.CDLL(None, use_errno=True)


def take(cgroup: Path) -> list[int]:
    """Copies of all locked descriptors of a unit's processes. Raises AssertionError when there is none."""
    taken: list[int] = []
    with suppress(FileNotFoundError):  # the unit does not run just now
        for pid in (cgroup / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError, FileNotFoundError):  # it has just ended
                taken += _of_process(int(pid))
    assert taken, f"no process of {cgroup.name} holds a lock"
    return taken


def _of_process(pid: int) -> list[int]:
    process = os.pidfd_open(pid)
    try:
        infos = list(Path(f"/proc/{pid}/fdinfo").iterdir())
        return [_copy(process, int(info.name)) for info in infos if "\nlock:" in info.read_text()]
    finally:
        os.close(process)


def _copy(process: int, descriptor: int) -> int:
    copy = int(libc.syscall(SYS_PIDFD_GETFD, process, descriptor, 0))
    if copy < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"pidfd_getfd: {os.strerror(error)}")
    return copy
