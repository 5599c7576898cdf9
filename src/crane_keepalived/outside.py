"""A cranectld outside this pair, started by hand or on another machine: it asks nobody for ha.lock, but at its start it
takes its own lock, cranectld.lock, or ends when it cannot.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

from crane_keepalived import lock, unit

_PAUSE = 0.5


def wait_for_stray(path: Path, reporter: unit.Reporter) -> int:
    """cranectld's own lock may still be held: by one that was started by hand, or by a lease that is not yet over.

    Returns a descriptor of the file, not locked. Raises OSError.
    """
    descriptor = _open_for_cranectld(path, reporter)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        reporter.say(f"holds the storage lock, waits for {path}: held by a cranectld outside this pair")
        lock.wait_for(descriptor)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return descriptor


def _open_for_cranectld(path: Path, reporter: unit.Reporter) -> int:
    """Made as cranectld would make it; one that cranectld could not open is waited for."""
    while True:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except PermissionError:
            reporter.say(f"holds the storage lock, but cranectld may not write {path}: give that file to its user")
            time.sleep(_PAUSE)


class Guard:
    """While our cranectld runs, whatever file the name of its lock leads to is locked.

    Ours locks the one that was there when it began. Should that be removed, for a stale one, say, or replaced, the next
    file is locked here, made if need be, until this process ends, which is when cranectld ends.
    """

    def __init__(self, path: Path, own: int) -> None:
        """``own``: a descriptor of the file that cranectld locks; open, so that no other file gets its inode number."""
        self._path, self._own = path, own
        self._locked = {_identity(os.fstat(own))}

    def keeps_out(self) -> bool:
        """False: another cranectld has locked the file that is there now.

        Raises OSError when that cannot be known, or the file cannot be locked.
        """
        # an NFS client that opens the folder learns of every change in it
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return self._knows(folder) or self._locks(folder)
        finally:
            os.close(folder)

    def _knows(self, folder: int) -> bool:
        try:
            return _identity(os.stat(self._path.name, dir_fd=folder)) in self._locked
        except FileNotFoundError:
            return False

    def _locks(self, folder: int) -> bool:
        if os.fstat(folder).st_dev != os.fstat(self._own).st_dev:
            raise OSError(errno.ENODEV, "another file system", str(self._path.parent))
        how = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path.name, how, 0o666, dir_fd=folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:
            os.close(descriptor)
            raise
        self._locked.add(_identity(os.fstat(descriptor)))  # and the descriptor stays open
        unit.log(f"heartbeat: {self._path} was removed or replaced: the one that is there now is locked too")
        return True


def _identity(file: os.stat_result) -> tuple[int, int]:
    return file.st_dev, file.st_ino
