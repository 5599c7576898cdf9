"""The only writer of files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from crane_keepalived import files

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")


def test_a_file_comes_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    files.write(path, b"content\n", 0o640, (os.geteuid(), os.getegid()))
    assert path.read_bytes() == b"content\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_secret_is_never_readable_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    os.umask(0o022)
    files.write(tmp_path / "secret", b"s", 0o600, (os.geteuid(), os.getegid()))
    assert modes[0] == 0o600
    assert len(modes) == 2  # the folder's too: the rename outlives a power loss


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "link").symlink_to("target")
    files.write(tmp_path / "link", b"ours", 0o644, (os.geteuid(), os.getegid()))
    assert (tmp_path / "target").read_text() == "theirs"
    assert not (tmp_path / "link").is_symlink()


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write(path, b"new", 0o644, (os.geteuid(), os.getegid()))
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_what_is_gone_can_be_removed_again(tmp_path: Path) -> None:
    files.write(tmp_path / "folder" / "file", b"", 0o644, (os.geteuid(), os.getegid()))
    files.remove(tmp_path / "folder" / "file")
    files.remove(tmp_path / "folder" / "file")
    files.remove(tmp_path / "none" / "file")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "usr" / "libexec" / "script"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    for part in (tmp_path, tmp_path / "usr", tmp_path / "usr/libexec", path):
        part.chmod(0o755)
    return path


def insecure(root: Path) -> list[str]:
    return [f"{part} {what}; {cure}" for part, what, cure in files.insecure_parts(root, Path("/usr/libexec/script"))]


def test_a_secure_script(tmp_path: Path, script: Path) -> None:
    assert script.exists()
    assert insecure(tmp_path) == []


@pytest.mark.parametrize(
    ("part", "mode", "said"),
    [
        ("usr/libexec/script", 0o775, "/usr/libexec/script is writable by others than root (mode 0775); chmod go-w"),
        ("usr/libexec", 0o757, "/usr/libexec is writable by others than root (mode 0757); chmod go-w /usr/libexec"),
        ("usr", 0o777, "/usr is writable by others than root (mode 0777); chmod go-w /usr"),
        ("usr/libexec/script", 0o644, "/usr/libexec/script cannot be executed; chmod 755 /usr/libexec/script"),
    ],
)
def test_the_part_that_is_not_secure_is_named(tmp_path: Path, script: Path, part: str, mode: int, said: str) -> None:
    assert script.exists()
    (tmp_path / part).chmod(mode)
    (found,) = insecure(tmp_path)
    assert found.startswith(said)


@needs_root
def test_the_part_that_is_not_roots_is_named(tmp_path: Path, script: Path) -> None:
    os.chown(script.parent, 65534, 65534)
    assert insecure(tmp_path) == ["/usr/libexec belongs to user 65534, not root; chown root /usr/libexec"]
