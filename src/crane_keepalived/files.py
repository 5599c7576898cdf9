"""The only writer of files on the node."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path


def below(root: Path, path: Path) -> Path:
    """Where an absolute path of the node lies when the node's root folder is ``root``."""
    return root / path.relative_to("/")


def write(path: Path, content: bytes, mode: int, owner: tuple[int, int] = (0, 0)) -> None:
    """Put a whole file in place of whatever was there: never half of it, never with other rights. Raises OSError."""
    draft = _draft(path)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_link(path: Path, target: str) -> None:
    """Put a symbolic link in place of whatever was there. Raises OSError."""
    draft = _draft(path)
    draft.symlink_to(target)
    draft.replace(path)
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Take a file away. Its folder stays: the package owns it. Raises OSError."""
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder outlive a power loss. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def insecure_parts(root: Path, path: Path) -> Iterator[tuple[Path, str, str]]:
    """The parts of an absolute path for which keepalived would refuse to run it: the part, what is wrong, what to do.

    Every folder must be root's and writable by root alone, and so must the file; a link counts, and what it leads to.
    """
    parts = [*reversed(path.parents), path]
    real = Path(os.path.realpath(below(root, path)))
    if root == Path("/") and real != path:
        parts += [part for part in (*reversed(real.parents), real) if part not in parts]
    for part in parts:
        found = below(root, part).lstat()
        if found.st_uid != 0 and os.geteuid() == 0:
            yield part, f"belongs to user {found.st_uid}, not root", f"chown root {part}"
        if not stat.S_ISLNK(found.st_mode) and found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            yield (
                part,
                f"is writable by others than root (mode {stat.S_IMODE(found.st_mode):04o})",
                f"chmod go-w {part}",
            )
    if not os.access(below(root, path), os.X_OK):
        yield path, "cannot be executed", f"chmod 755 {path}"


def _draft(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")
