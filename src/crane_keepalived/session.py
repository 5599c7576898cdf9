"""The person at the terminal, and that there is only one."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import HaError
from .files import below
from .generations import STATE_FOLDER
from .options import Options


def confirm(options: Options) -> None:
    """Ask once, where there is somebody to ask. Raises HaError when the answer is not yes."""
    if options.yes or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    try:
        answer = input("Go on? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise HaError("stopped: nothing was changed")


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Nobody else changes the node meanwhile. Raises HaError when somebody does."""
    folder = below(root, STATE_FOLDER)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HaError("another crane-ha-setup runs on this node", "wait for it") from None
        yield
    finally:
        os.close(descriptor)
