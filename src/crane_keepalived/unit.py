"""What a process of cranectld's unit shares with systemd and keepalived: the unit's status line, and the gate."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Optional, Union

GATE = Path("run/crane-keepalived.gate")

# seconds; well below every heartbeat interval
_SYSTEMD_TIMEOUT = 0.2


def tell_systemd(status: str, **fields: Union[str, int]) -> bool:
    """Set the unit's status line, and send further sd_notify(3) fields; false when systemd could not be told.

    A systemd that is busy or re-executes itself is waited for a moment and no longer: nothing of ours may depend on it.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return True
    lines = [f"{name}={value}" for name, value in {"STATUS": status, **fields}.items()]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as systemd:
        systemd.settimeout(_SYSTEMD_TIMEOUT)
        systemd.sendto("\n".join(lines).encode(), "\0" + address[1:] if address[0] == "@" else address)
        return True
    return False


def log(text: str) -> None:
    """Say something in the unit's journal, if it can be heard: its stream ends with a journald that is stopped."""
    with suppress(OSError):
        print(text, flush=True)


class Reporter:
    """Says what the unit is doing, once for each change, in the journal and in ``systemctl status``."""

    def __init__(self) -> None:
        self._last = ""
        self._heard = False

    def say(self, status: str) -> None:
        """Make this the unit's status."""
        if status != self._last:
            self._last, self._heard = status, False
            log(status)
        if not self._heard:
            self._heard = tell_systemd(status)


def open_gate(pid: int, root: Path = Path("/")) -> None:
    """Let keepalived bring the address here, for the process that holds the storage lock. Raises OSError."""
    _write_gate(root, f"1 {pid}\n")


def close_gate(root: Path = Path("/"), why: str = "") -> None:
    """Have keepalived give the address up, and keep it away; ``why`` is for on_fault.sh to read. Raises OSError."""
    _write_gate(root, f"0 {why}".rstrip() + "\n")


def gate_holder(root: Path = Path("/")) -> Optional[int]:
    """The process for which the gate is open; None while it is closed, as keepalived sees it: 0, empty or missing."""
    try:
        words = (root / GATE).read_text().split()
    except OSError:
        return None
    return int(words[1]) if len(words) == 2 and words[0] == "1" and words[1].isdigit() else None


def _write_gate(root: Path, content: str) -> None:
    # no O_CREAT: the folder is root's, and whoever made another file here would decide where the address goes
    descriptor = os.open(root / GATE, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.write(descriptor, content.encode())
    finally:
        os.close(descriptor)
