"""The storage lock: a file on the shared storage, made once by crane-ha-setup, locked by the node that runs cranectld.

The file is four lines of 128 bytes, so that each has one writer and a fixed place, and ``cat`` shows them all:

    cluster 1a2b3c4d                                         written when the file is made, and never again
    held by node1 since 2026-11-22T17:00:00+00:00 beat 12    written by the holder, at every heartbeat
    wanted by node2 beat 7                                   written by a waiting node that is to have the service back
    file 1835013                                             its own inode number, which no copy of it has

Only ``create`` ever makes the file: were it made at run time, deleting it would give two files, and two daemons.
This module imports nothing beyond the standard library: it runs between one node's failure and the other's start.
"""

from __future__ import annotations

import datetime
import errno
import fcntl
import os
import re
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

LINE = 128
_CLUSTER, _HOLDER, _WISH, _FILE = 0, LINE, 2 * LINE, 3 * LINE
_CLUSTER_PATTERN = re.compile(r"cluster ([0-9a-f]{8})")
# what stands there is printed on root's terminal, and crane wrote it: letters, digits and the signs of names and times
_WORD = r"([A-Za-z0-9._:+-]{1,64})"
_HOLDER_PATTERN = re.compile(rf"held by {_WORD} since {_WORD} beat ([0-9]+)")
_FILE_PATTERN = re.compile(r"file ([0-9]{1,20}) ")
_MADE_AGAIN = 0
_WISH_PATTERN = re.compile(rf"wanted by {_WORD} beat ([0-9]+)")
# O_DSYNC besides: NFS widens a plain write to the page it knows, and would put another node's line back to what it was
_OURS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_DSYNC
# seconds after which a process that waits for a lock asks for it again
_ASK_AGAIN = 1.0


class LockError(Exception):
    """The storage lock's file is not the one that crane-ha-setup made; the message says in what."""


class LockMissing(LockError):
    """There is no lock file: the storage is not mounted, or somebody removed the file."""


@dataclass(frozen=True)
class Mark:
    """Who wrote a line of the lock file: the node's name, its count of beats and, for a holder, since when."""

    node: str
    beat: int
    since: str = ""


def new_cluster_id() -> str:
    """A random cluster id, eight hexadecimal digits."""
    return secrets.token_hex(4)


def create(path: Path, cluster_id: str, again: bool = False) -> str:
    """Make the lock file and its folder unless they are there; return the cluster id that the file holds now.

    ``again``: a pair has run with this id before, and the file was lost; see ``StorageLock.replaces_another``.

    The file comes into being whole, by link(2), which is atomic on NFS too: of two nodes that make it at once one wins,
    and both learn the same id. Call it as cranectld's user: root is nobody on storage exported with root_squash.

    Raises OSError, and LockError for a file that is there but is not ours.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        return read_cluster_id(path)
    except LockMissing:
        pass
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        number = _MADE_AGAIN if again else os.fstat(descriptor).st_ino
        os.write(descriptor, _line(f"cluster {cluster_id}") + _line("") + _line("") + _line(f"file {number}"))
        os.fsync(descriptor)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
    finally:
        os.close(descriptor)
        os.unlink(draft)
    return read_cluster_id(path)


def read_cluster_id(path: Path) -> str:
    """The cluster id in the lock file. Raises OSError, LockMissing, and LockError when the file is not ours."""
    return _cluster_id(path, _read(path, _CLUSTER))


def read_holder(path: Path) -> Optional[Mark]:
    """The node that held the lock last, as it wrote itself. Raises OSError and LockError."""
    match = _HOLDER_PATTERN.match(_read(path, _HOLDER))
    return Mark(match.group(1), int(match.group(3)), match.group(2)) if match else None


def is_a_copy(path: Path) -> bool:
    """Does the file say another file's inode number? Or this node numbers files otherwise than the one that wrote it.

    Raises OSError and LockError.
    """
    descriptor = _open(path)
    try:
        return _inode(descriptor) not in (_MADE_AGAIN, os.fstat(descriptor).st_ino)
    finally:
        os.close(descriptor)


def read_wish(path: Path) -> Optional[Mark]:
    """The waiting node that asked last to have the service back. Raises OSError and LockError."""
    match = _WISH_PATTERN.match(_read(path, _WISH))
    return Mark(match.group(1), int(match.group(2))) if match else None


def write_wish(path: Path, mark: Mark) -> None:
    """Ask the holder to hand the service over to this node. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | _OURS)
    try:
        os.pwrite(descriptor, _line(f"wanted by {mark.node} beat {mark.beat}"), _WISH)
    finally:
        os.close(descriptor)


class StorageLock:
    """The lock file, open. Its lock ends with the last process that holds this descriptor, however it ends."""

    def __init__(self, path: Path, cluster_id: str) -> None:
        """Open the file, without locking it. Raises OSError, LockMissing and LockError."""
        self.path = path
        self.cluster_id = cluster_id
        self._since = ""
        self._beat = 0
        self.descriptor = _open(path, os.O_RDWR | _OURS)
        try:
            self.verify()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file, and of its lock unless another process inherited it."""
        os.close(self.descriptor)

    def acquire_now(self) -> bool:
        """Take the lock if it is free. Raises OSError."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self) -> None:
        """Wait until the lock is ours, however long. Raises OSError."""
        wait_for(self.descriptor)

    def verify(self) -> None:
        """Is the open file still the one that the path names, and this cluster's?

        Raises OSError, LockMissing, and LockError when the path leads to another file or the file is another cluster's.
        """
        named = _open(self.path)
        try:
            if not os.path.samestat(os.fstat(named), os.fstat(self.descriptor)):
                raise LockError(f"{self.path} was replaced")
            found = _cluster_id(self.path, _pread(named, _CLUSTER))
        finally:
            os.close(named)
        if found != self.cluster_id:
            raise LockError(f"{self.path} is the lock of cluster {found}, this node belongs to {self.cluster_id}")

    def replaces_another(self) -> bool:
        """Did the file come in another one's place? Then a daemon may still hold that one, until it notices.

        One that was made again says so, and a copy says the inode that it is a copy of. Raises OSError.
        """
        return _inode(self.descriptor) != os.fstat(self.descriptor).st_ino

    def stands_alone(self) -> None:
        """Write down that no daemon can hold another file any more. Raises OSError."""
        self._write(_line(f"file {os.fstat(self.descriptor).st_ino}"), _FILE)

    def hold(self, node: str) -> None:
        """Write ourselves down as the holder, through the locked descriptor, and wait until it is on the storage.

        On NFS this renews the lease, and proves that the server still counts the lock as ours: else it gives EIO.
        A full storage answered, so it is well. Raises OSError.
        """
        self._since = self._since or datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self._beat += 1
        self._write(_line(f"held by {node} since {self._since} beat {self._beat}"), _HOLDER)

    def _write(self, line: bytes, offset: int) -> None:
        for step in (lambda: os.pwrite(self.descriptor, line, offset), lambda: os.fsync(self.descriptor)):
            try:
                step()
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise


def wait_for(descriptor: int) -> None:
    """Lock the file when it is free, however long that takes. Raises OSError. For the main thread alone.

    An NFSv4 server calls who waits, but after a restart, or when nobody asked again for a lease, it has forgotten them.
    Linux asks again by itself every 30 s only; interrupted by a signal, it asks at once. So on NFSv4, and there alone,
    this asks every second (tests/vm: a takeover took up to 9 s at a lease of 15 s, and takes 0.1 s).
    """
    if not _is_on_nfs(descriptor):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, _ASK_AGAIN, _ASK_AGAIN)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _is_on_nfs(descriptor: int) -> bool:
    device = os.fstat(descriptor).st_dev
    number = b"%d:%d" % (os.major(device), os.minor(device))
    # bytes: the name of a mount may hold what Python takes for the end of a line
    with open("/proc/self/mountinfo", "rb") as mounts:
        found = [line for line in mounts if line.split(b" ", 3)[2:3] == [number]]
    return any(line.rpartition(b" - ")[2].startswith(b"nfs4 ") for line in found)


def _line(text: str) -> bytes:
    return text.encode().ljust(LINE - 1)[: LINE - 1] + b"\n"


def _cluster_id(path: Path, line: str) -> str:
    match = _CLUSTER_PATTERN.match(line)
    if match is None:
        raise LockError(f"{path} is not a lock file of crane-keepalived")
    return match.group(1)


def _inode(descriptor: int) -> int:
    match = _FILE_PATTERN.match(_pread(descriptor, _FILE))
    return int(match.group(1)) if match else _MADE_AGAIN


def _read(path: Path, offset: int) -> str:
    descriptor = _open(path)
    try:
        return _pread(descriptor, offset)
    finally:
        os.close(descriptor)


def _open(path: Path, how: int = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC) -> int:
    # An NFS client goes by a name that it knew up to a minute ago, even when it opens the file. But of a folder that is
    # opened it asks the server, and of every name again once that has changed.
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return os.open(path.name, how, dir_fd=folder)
        finally:
            os.close(folder)
    except FileNotFoundError:
        raise LockMissing(f"{path} is missing") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise LockError(f"{path} was replaced by a link") from None
        raise OSError(error.errno, error.strerror, str(path)) from None


def _pread(descriptor: int, offset: int) -> str:
    # an NFS client trusts its copy of a file that it has open for writing itself, as every node of the pair has
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return os.pread(descriptor, LINE, offset).decode("ascii", "replace")
