"""cranectld's own lock, which keeps out a cranectld that was started by hand: it may be removed or replaced."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crane_keepalived.outside import Guard, wait_for_stray
from crane_keepalived.unit import Reporter

from .queue_node import Node, wait_until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared/cranectld.lock"


def guard(path: Path) -> Guard:
    """As beside a cranectld that is about to start."""
    return Guard(path, wait_for_stray(path, Reporter()))


def is_free(path: Path) -> bool:
    return subprocess.run(["flock", "--nonblock", path, "true"]).returncode == 0


def replace(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.rename(path)


@contextmanager
def stray(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A cranectld that was started by hand, as far as its lock goes."""
    with subprocess.Popen(["flock", "--no-fork", path, "/bin/sleep", "600"]) as process:
        try:
            wait_until("it has its lock", lambda: path.exists() and not is_free(path))
            yield process
        finally:
            process.kill()


def test_the_lock_that_cranectld_has_is_left_alone(path: Path) -> None:
    ours = guard(path)
    assert is_free(path)
    with stray(path):
        assert all(ours.keeps_out() for _ in range(3))
    assert is_free(path)


@pytest.mark.parametrize("lose", [Path.unlink, replace])
def test_the_next_file_is_locked_too(path: Path, lose: Callable[[Path], None]) -> None:
    ours = guard(path)
    assert ours.keeps_out()
    for _ in range(2):
        lose(path)
        assert ours.keeps_out()
        assert not is_free(path)
    assert ours.keeps_out()


def test_a_cranectld_that_was_quicker_is_seen(path: Path) -> None:
    ours = guard(path)
    assert ours.keeps_out()
    path.unlink()
    with stray(path):
        assert not ours.keeps_out()
    assert ours.keeps_out()
    assert not is_free(path)


def test_a_link_in_its_place_is_not_followed(path: Path) -> None:
    ours = guard(path)
    assert ours.keeps_out()
    path.unlink()
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(OSError, match="symbolic link"):
        ours.keeps_out()
    assert not path.with_name("elsewhere").exists()


def test_where_the_storage_is_not_mounted_nothing_is_made(path: Path) -> None:
    ours = guard(path)
    assert ours.keeps_out()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        assert Path(elsewhere).stat().st_dev != path.stat().st_dev
        path.parent.rename(path.parent.with_name("away"))
        path.parent.symlink_to(elsewhere)
        with pytest.raises(OSError, match="another file system"):
            ours.keeps_out()
        assert list(Path(elsewhere).iterdir()) == []


def test_the_heartbeat_keeps_it_out_and_gives_way_to_one_that_was_quicker(nodes: Callable[..., Node]) -> None:
    node = nodes()
    own = node.storage / "cranectld.lock"
    node.start(["/usr/bin/flock", "--no-fork", str(own), "/bin/sleep", "600"])
    wait_until("the node serves", lambda: node.serves() and not is_free(own))
    own.unlink()
    wait_until("it is locked again", lambda: own.exists() and not is_free(own))
    assert node.serves()
    with stray(node.storage / "next"):
        (node.storage / "next").rename(own)
        assert node.wait_for_end() == -signal.SIGKILL
    assert node.said("lets go of the storage lock: a cranectld outside this pair has locked")


def test_what_cannot_be_guarded_is_said(nodes: Callable[..., Node]) -> None:
    node = nodes()
    node.start()
    wait_until("the node serves", node.serves)
    own = node.storage / "cranectld.lock"
    own.unlink()
    own.symlink_to("elsewhere")
    told = "Too many levels of symbolic links: a cranectld that is started by hand may run beside this one"
    wait_until("it says so", lambda: node.said(f"active: holds the storage lock, but {own}: {told}"))
    assert node.serves()
