"""How often cranectld failed on this node in a row: the more often, the longer the node waits before it queues again.

Else a daemon that can run on no node would send the address to and fro all night. The record lies in /run; cranectld's
unit alone writes it, and on_fault.sh reads it too: "FAILURES AT", and a third word, its process, while a daemon runs.
A record that cannot be read or written delays nothing.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

RECORD = Path("run/crane-keepalived.failures")
# on_fault.sh's: the process whose restart it asked systemd for
HANDED_OVER = Path("run/crane-keepalived/failed")

# seconds; a daemon that ran so long was no failure to begin with, and what failed so long ago is over
LASTING = 120
_FORGOTTEN = 3600
# seconds by the number of failures. Two in a row are as quick as one: a node may well lose power and link in one hour.
_PAUSES = (0, 0, 0, 10, 60, 300)


@dataclass(frozen=True)
class Record:
    """Failures in a row, when the last one was (CLOCK_BOOTTIME), and the daemon that runs, or ran last; 0 for none."""

    failures: int = 0
    at: int = 0
    pid: int = 0


def settle(root: Path, asked: bool) -> int:
    """The failures in a row, the last daemon's end included. ``asked``: a person, or on_fault.sh, had it restarted."""
    record = _read(root)
    if record.pid and asked and _handed_over(root) != record.pid:
        record = Record()
    elif record.pid:
        record = Record(record.failures + 1, _now())
    elif asked or _now() - record.at > _FORGOTTEN:
        record = Record()
    _write(root, record)
    return record.failures


def begins(root: Path, pid: int) -> None:
    """A daemon is about to run: how it ends decides."""
    record = _read(root)
    recent = _now() - record.at <= _FORGOTTEN  # this node may have stood by for days
    _write(root, Record(record.failures if recent else 0, record.at, pid))


def lasts(root: Path) -> None:
    """The daemon has run for ``LASTING`` seconds: what was before it is over."""
    _write(root, Record(0, 0, _read(root).pid))


def ends_well(root: Path) -> None:
    """The daemon is about to end because it is meant to."""
    _write(root, Record())


def is_not_to_blame(root: Path) -> None:
    """The daemon is about to end for something that is no failure of its own: it is not counted."""
    record = _read(root)
    _write(root, Record(record.failures, record.at))


def pause(failures: int, longest: float) -> float:
    """Seconds to wait before queueing again, never more than ``longest``."""
    return min(_PAUSES[failures] if failures < len(_PAUSES) else longest, longest)


def is_known(root: Path) -> bool:
    """Is there anything to settle? There is not when the machine has just booted."""
    return _read(root) != Record()


def _now() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME))


def _handed_over(root: Path) -> Optional[int]:
    words = _words(root / HANDED_OVER)
    return words[0] if words else None


def _read(root: Path) -> Record:
    words = _words(root / RECORD)
    return Record(*words) if 1 <= len(words) <= 3 else Record()


def _words(path: Path) -> list[int]:
    try:
        words = path.read_text().split()
    except (OSError, ValueError):
        return []
    return [int(word) for word in words] if all(re.fullmatch("[0-9]{1,15}", word) for word in words) else []


def _write(root: Path, record: Record) -> None:
    content = f"{record.failures} {record.at}" + (f" {record.pid}" if record.pid else "")
    try:
        # no O_CREAT, as with the gate: the folder is root's
        descriptor = os.open(root / RECORD, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.write(descriptor, content.encode() + b"\n")
        finally:
            os.close(descriptor)
    except OSError as error:
        print(f"{root / RECORD}: {error.strerror}", flush=True)
