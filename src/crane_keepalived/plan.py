"""What a set-up would change on this node: files compared, and what has to be started, reloaded or restarted for it."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from . import firewall
from .errors import HaError
from .files import below
from .generations import STATE_FOLDER
from .model import CRANECTLD_DROP_IN, KEEPALIVED_CONF, KEEPALIVED_DROP_IN, MARK, SETTINGS, RenderedFile
from .systemd import CRANECTLD, KEEPALIVED, UnitState

# there while a set-up is between its first rename and its last command
PENDING = STATE_FOLDER / "pending"
_FOR_SCRIPTS = ("#", "CHECK_", "HOOK_")
_SECRET = re.compile(r"(\bauth_pass\s+)\S.*")


@dataclass(frozen=True)
class Change:
    """A file that is not yet as it is to be. ``before`` is its content, None when it is not there."""

    file: RenderedFile
    before: Optional[str]
    rights_differ: bool = False

    def diff(self) -> str:
        """The change as a unified diff, passwords masked."""
        path = str(self.file.path)
        old, new = _mask(self.before or ""), _mask(self.file.content)
        lines = list(
            difflib.unified_diff(
                old.splitlines(keepends=True),
                new.splitlines(keepends=True),
                "/dev/null" if self.before is None else path,
                path,
            )
        )
        text = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
        if not text:
            text = f"--- {path}\n+++ {path}\n"
            text += "(the password changes)\n" if self.before != self.file.content else ""
        if self.rights_differ:
            text += f"(it becomes a file of root's, mode {self.file.mode:04o})\n"
        return text

    @property
    def replaces_foreign(self) -> bool:
        """Is this somebody else's keepalived.conf?"""
        return self.file.path == KEEPALIVED_CONF and self.before is not None and not self.before.startswith(MARK)


@dataclass(frozen=True)
class Plan:
    """All that is to be done. Empty verbs: nothing to do for that unit."""

    changes: tuple[Change, ...]
    mislabelled: tuple[Path, ...]
    make_lock: bool
    open_firewall: bool
    reload_systemd: bool
    enable: tuple[str, ...]
    keepalived: str
    cranectld: str
    interrupts: bool

    @property
    def nothing(self) -> bool:
        """Is everything as it is to be?"""
        files = self.changes or self.mislabelled or self.make_lock
        return not (
            files or self.open_firewall or self.reload_systemd or self.enable or self.keepalived or self.cranectld
        )

    def steps(self) -> Iterator[str]:
        """What will be done beside writing the files, as sentences."""
        if any(change.replaces_foreign for change in self.changes):
            yield "the keepalived.conf that is here is not ours: it will be kept"
            if self.keepalived == "restart":
                yield "should the other node run one like it: stop keepalived there first, or it takes the address"
        for path in self.mislabelled:
            yield f"{path} will get its SELinux label again"
        if self.make_lock:
            yield "the lock file will be made on the shared storage"
        if self.open_firewall:
            yield "firewalld runs on this node: it will be told to accept VRRP"
        if self.reload_systemd and not self.changes:
            yield "systemd will read its units again: they have changed since it did"
        if self.enable:
            yield f"{' and '.join(self.enable)} will be enabled"
        if self.keepalived:
            yield f"{KEEPALIVED} will be {_PAST[self.keepalived]}"
        if self.interrupts:
            yield "cranectld runs on this node: it will be restarted once, a short interruption of the service"
        elif self.cranectld:
            yield f"{CRANECTLD} will be {_PAST[self.cranectld]}"


_PAST = {"start": "started", "restart": "restarted", "reload": "reloaded"}


def changes(root: Path, files: Sequence[RenderedFile]) -> tuple[Change, ...]:
    """The files that are not as they are to be. Raises HaError where there is no file to replace."""
    return tuple(change for change in (_compare(below(root, file.path), file) for file in files) if change)


def make(
    root: Path,
    found: tuple[Change, ...],
    states: Mapping[str, UnitState],
    *,
    mislabelled: tuple[Path, ...],
    lock_missing: bool,
    serving: bool,
) -> Plan:
    """Decide what follows from the changes. Without states, in a folder, nothing does.

    ``serving``: cranectld itself runs here, not just its wait in the queue.
    """
    if not states:
        return Plan(found, (), False, False, False, (), "", "", False)
    changed = {change.file.path for change in found}
    unfinished = below(root, PENDING).exists()
    keepalived, cranectld = states[KEEPALIVED], states[CRANECTLD]
    verb = ""
    if not keepalived.active:
        verb = "start"
    elif unfinished or KEEPALIVED_DROP_IN in changed:
        verb = "restart"
    elif KEEPALIVED_CONF in changed:
        verb = "reload"
    queue = ""
    if not cranectld.active:
        queue = "start"
    elif unfinished or lock_missing or CRANECTLD_DROP_IN in changed or any(map(_queue_must_hear, found)):
        queue = "restart"
    return Plan(
        changes=found,
        mislabelled=mislabelled,
        make_lock=lock_missing,
        open_firewall=states[firewall.SERVICE].active and not firewall.is_open(root),
        # systemd keeps the label of a unit's file as it was when it read the unit
        reload_systemd=bool(found or mislabelled) or keepalived.outdated or cranectld.outdated,
        enable=tuple(unit for unit in (KEEPALIVED, CRANECTLD) if not states[unit].enabled),
        keepalived=verb,
        cranectld=queue,
        # PartOf=: a restart of keepalived takes cranectld along
        interrupts=serving and "restart" in (verb, queue),
    )


def _queue_must_hear(change: Change) -> bool:
    """Does the change touch a setting that cranectld's unit read when it started? The scripts read theirs anew."""
    if change.file.path != SETTINGS:
        return False
    settings = (change.before or "", change.file.content)
    old, new = ([line for line in text.splitlines() if not line.startswith(_FOR_SCRIPTS)] for text in settings)
    return old != new


def _compare(path: Path, file: RenderedFile) -> Optional[Change]:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return Change(file, None)
    except NotADirectoryError:
        raise HaError(f"{path.parent} is no folder", "move it away") from None
    if stat.S_ISDIR(found.st_mode):
        raise HaError(f"{path} is a folder", "move it away")
    before = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
    as_wanted = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == file.mode
    rights_differ = not as_wanted or (found.st_uid != 0 and os.geteuid() == 0)
    return Change(file, before, rights_differ) if rights_differ or before != file.content else None


def _mask(text: str) -> str:
    return _SECRET.sub(r"\1********", text)
