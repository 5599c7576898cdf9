"""The storage lock's file: made once, whole, and by nobody at run time."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Optional, Union

import pytest

from crane_keepalived import lock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "shared base" / "ha.lock"
    lock.create(made, "1a2b3c4d")
    return made


def test_create_makes_the_folder_and_four_lines_of_fixed_length(path: Path) -> None:
    assert [len(line) for line in path.read_bytes().splitlines(keepends=True)] == [lock.LINE] * 4
    assert lock.read_cluster_id(path) == "1a2b3c4d"
    assert [entry.name for entry in path.parent.iterdir()] == ["ha.lock"]


def test_create_keeps_a_lock_file_that_is_there(path: Path) -> None:
    inode = path.stat().st_ino
    assert lock.create(path, "ffffffff") == "1a2b3c4d"
    assert path.stat().st_ino == inode


def test_nodes_that_create_at_once_learn_the_same_id(tmp_path: Path) -> None:
    ids = [f"{number:08x}" for number in range(32)]
    with ThreadPoolExecutor(len(ids)) as nodes:
        learnt = set(nodes.map(lambda one: lock.create(tmp_path / "ha.lock", one), ids))
    assert len(learnt) == 1


@pytest.mark.parametrize("content", ["", "held by nobody", "cluster XYZ"])
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ha.lock"
    path.write_text(content)
    with pytest.raises(lock.LockError, match="not a lock file of crane-keepalived"):
        lock.create(path, "1a2b3c4d")


def test_opening_never_makes_the_file(tmp_path: Path) -> None:
    with pytest.raises(lock.LockMissing):
        lock.StorageLock(tmp_path / "ha.lock", "1a2b3c4d")
    assert not (tmp_path / "ha.lock").exists()


def test_an_error_names_the_whole_path(path: Path) -> None:
    folder = path.with_name("folder")
    folder.mkdir()
    with pytest.raises(IsADirectoryError, match=str(folder)):
        lock.StorageLock(folder, "1a2b3c4d")


def test_a_symbolic_link_is_not_followed(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(lock.LockError, match="was replaced by a link"):
        lock.StorageLock(link, "1a2b3c4d")


def test_another_clusters_file_is_refused_by_both_names(path: Path) -> None:
    with pytest.raises(lock.LockError, match="cluster 1a2b3c4d, this node belongs to 00000000"):
        lock.StorageLock(path, "00000000")


def test_verify_sees_a_file_removed_and_replaced(path: Path) -> None:
    held = lock.StorageLock(path, "1a2b3c4d")
    held.verify()
    path.unlink()
    with pytest.raises(lock.LockMissing):
        held.verify()
    lock.create(path, "1a2b3c4d")
    with pytest.raises(lock.LockError, match="replaced"):
        held.verify()


def test_who_looks_opens_the_folder_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an NFS client may answer from what it knew of the name a minute ago."""
    opened: list[str] = []
    true_open = os.open

    def noted(name: Union[str, Path], *how: int, dir_fd: Optional[int] = None) -> int:
        opened.append(str(name))
        return true_open(name, *how, dir_fd=dir_fd)

    held = lock.StorageLock(path, "1a2b3c4d")
    monkeypatch.setattr(os, "open", noted)
    held.verify()
    assert opened == [str(path.parent), path.name]


def test_who_reads_lets_go_of_an_older_copy_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda *words: told.append(words[3]))
    lock.read_holder(path)
    assert told == [os.POSIX_FADV_DONTNEED]


def test_who_waits_asks_again_and_stops_asking(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A blocked flock(2) that a signal interrupts asks the server anew; Python does that by itself."""

    def flock(*_: object) -> None:
        signal.pause()
        signal.pause()

    monkeypatch.setattr(lock, "_is_on_nfs", lambda _descriptor: True)
    monkeypatch.setattr(lock, "_ASK_AGAIN", 0.05)
    monkeypatch.setattr(fcntl, "flock", flock)
    before = signal.getsignal(signal.SIGALRM)
    lock.StorageLock(path, "1a2b3c4d").acquire()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)  # an exec would keep it, and kill cranectld
    assert signal.getsignal(signal.SIGALRM) == before


def test_elsewhere_nothing_interrupts_who_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timers: list[object] = []
    monkeypatch.setattr(signal, "setitimer", lambda *words: timers.append(words))
    lock.StorageLock(path, "1a2b3c4d").acquire()
    assert timers == []


def test_holder_and_wish_have_lines_of_their_own(path: Path) -> None:
    assert lock.read_holder(path) is None
    assert lock.read_wish(path) is None
    held = lock.StorageLock(path, "1a2b3c4d")
    lock.write_wish(path, lock.Mark("node2", 7))
    held.hold("node1")
    first = lock.read_holder(path)
    held.hold("node1")
    second = lock.read_holder(path)
    assert first and second
    assert (first.node, first.beat, second.beat) == ("node1", 1, 2)
    assert first.since == second.since
    assert lock.read_wish(path) == lock.Mark("node2", 7)
    assert lock.read_cluster_id(path) == "1a2b3c4d"


def test_the_first_file_replaces_none(path: Path) -> None:
    held = lock.StorageLock(path, "1a2b3c4d")
    held.hold("node1")
    assert not held.replaces_another()


@pytest.mark.parametrize("how", ["made again", "a copy", "of another version"])
def test_a_file_in_another_ones_place_is_known_until_that_is_over(path: Path, how: str) -> None:
    lock.StorageLock(path, "1a2b3c4d").hold("node1")
    content = path.read_bytes()
    path.rename(path.with_name("former"))  # its inode number is not free to be taken again
    if how == "made again":
        lock.create(path, "1a2b3c4d", again=True)
    else:
        path.write_bytes(content if how == "a copy" else content[: 3 * lock.LINE])
    held = lock.StorageLock(path, "1a2b3c4d")
    held.hold("node1")
    assert held.replaces_another()
    held.stands_alone()
    assert not held.replaces_another()
    assert lock.read_cluster_id(path) == "1a2b3c4d"


def test_what_would_command_a_terminal_is_no_name(path: Path) -> None:
    lock.write_wish(path, lock.Mark("\x1b[2Jnode2", 1))
    assert lock.read_wish(path) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_storage_answered(path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(number, "full")

    held = lock.StorageLock(path, "1a2b3c4d")
    monkeypatch.setattr(os, "pwrite", full)
    held.hold("node1")
    monkeypatch.setattr(os, "fsync", full)
    held.hold("node1")


def test_the_longest_host_name_keeps_the_lines_in_place(path: Path) -> None:
    held = lock.StorageLock(path, "1a2b3c4d")
    held.hold("n" * 64)
    holder = lock.read_holder(path)
    assert holder and holder.node == "n" * 64
    assert path.stat().st_size == 4 * lock.LINE


def test_the_lock_lives_as_long_as_the_process_it_was_handed_to(path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from crane_keepalived import lock;"
        "held = lock.StorageLock(Path(sys.argv[1]), '1a2b3c4d'); held.acquire();"
        "os.set_inheritable(held.descriptor, True);"
        "print('held', flush=True); os.execv('/bin/cat', ['cat'])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(lock.__file__).parents[1])}
    heir = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert heir.stdout and heir.stdin
    try:
        assert heir.stdout.readline() == b"held\n"
        assert subprocess.run(["flock", "--nonblock", path, "true"]).returncode == 1
        heir.kill()
        heir.wait()
        assert subprocess.run(["flock", "--timeout", "5", path, "true"]).returncode == 0
    finally:
        heir.kill()
        heir.communicate()
