"""SELinux: the labels of the files that we write."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .run import installed, run


def relabel(paths: Iterable[Path]) -> None:
    """Give the files the labels that the policy has for their paths, if SELinux is enabled. Raises ProgramError."""
    if installed("selinuxenabled") and run("selinuxenabled", check=False).returncode == 0:
        run("restorecon", "-F", *map(str, paths))
