"""crane-ha status: what this node is, and why, on one screen. Each fact is asked of the one who owns it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from crane_keepalived import lock, netlink, run, selinux, settings, systemd, unit
from crane_keepalived.errors import HaError, ProgramError
from crane_keepalived.files import below
from crane_keepalived.model import NOTE, SCRIPTS

# storage that does not answer within this many seconds is reported, not waited for
STORAGE_TIMEOUT = 2.0

ACTIVE, TAKING_OVER, STANDBY, STARTING, WAITING = "active", "taking over", "standby", "starting", "waiting"
STOPPED, FAULT, NOT_SET_UP = "stopped", "fault", "not set up"


@dataclass(frozen=True)
class NodeStatus:
    """One look at a node. ``troubles`` are sentences, each with what to do; a node without them is well."""

    node: str
    state: str
    lines: tuple[tuple[str, str], ...]
    troubles: tuple[str, ...]

    @property
    def settled(self) -> bool:
        """Has the node reached a state in which it stays: active, or standby in the queue for the lock?"""
        return self.state in (ACTIVE, STANDBY) and not self.troubles


def observe(root: Path = Path("/"), since: float = 0.0) -> NodeStatus:
    """Look at this node. ``since``: from when on (seconds since 1970) keepalived is to have run a check.

    Raises SettingsError when its settings are broken, HaError when systemd does not answer.
    """
    node = socket.gethostname()
    try:
        known = settings.load(root)
    except FileNotFoundError:
        return NodeStatus(node, NOT_SET_UP, (), ("run crane-ha-setup --role master, or --role backup",))
    try:
        daemon = systemd.show("cranectld.service", "ActiveState", "SubState", "StatusText", "Result", "User")
    except ProgramError as error:
        # of a unit whose file has a label from elsewhere, systemd tells not even root
        hint = selinux.first_trouble(root, systemd.find_unit(root, systemd.CRANECTLD))
        raise HaError(str(error), hint) from None
    keepalived = systemd.show("keepalived.service", "ActiveState")["ActiveState"]
    holder_pid = unit.gate_holder(root)
    serving = holder_pid is not None and Path("/proc", str(holder_pid)).exists()
    here = [address for address in known.addresses if netlink.has_address(known.interface, address)]
    state = _state(serving, bool(here), daemon, keepalived)
    user = daemon["User"] or "root"
    held = "held" if state in (ACTIVE, TAKING_OVER, STANDBY, WAITING) else "last held"
    holder = _ask_storage(user, lambda: _holder_line(held, lock.read_holder(known.ha_lock)))
    alive = _ask_storage(user, lambda: f"{known.alive_file} {'is' if known.alive_file.exists() else 'is not'} there")
    return NodeStatus(
        node,
        state,
        (
            ("address", _address_line(known, here)),
            ("cranectld", _unit_line(daemon, holder_pid if serving else None)),
            ("keepalived", keepalived),
            ("lock", holder),
            ("alive file", alive),
        ),
        (
            *_troubles(known, state, here, daemon, keepalived),
            *_script_troubles(root, known, since, keepalived),
        ),
    )


def report(root: Path = Path("/")) -> tuple[str, int]:
    """The screen of ``crane-ha status``, and its exit code: 0 well, 1 something is wrong, 3 not set up.

    Raises SettingsError and HaError as ``observe`` does.
    """
    status = observe(root)
    width = max((len(name) for name, _ in status.lines), default=0)
    screen = [f"{status.node} is {status.state}"]
    screen += [f"  {name:<{width}}  {value}" for name, value in status.lines]
    screen += [f"  ! {trouble}" for trouble in status.troubles]
    return "\n".join(screen), 3 if status.state == NOT_SET_UP else int(bool(status.troubles))


def _state(serving: bool, address_here: bool, daemon: dict[str, str], keepalived: str) -> str:
    if serving:
        return ACTIVE if address_here else TAKING_OVER
    if daemon["ActiveState"] == "active" and keepalived == "active":
        # queue-for-lock says what it waits for as soon as it knows
        if not daemon["StatusText"]:
            return STARTING
        return WAITING if daemon["StatusText"].startswith("holds the storage lock") else STANDBY
    return STOPPED if daemon["ActiveState"] == "inactive" else FAULT


def _troubles(
    known: settings.Settings, state: str, here: list[str], daemon: dict[str, str], keepalived: str
) -> list[str]:
    troubles = []
    if keepalived != "active":
        troubles.append(f"keepalived.service is {keepalived}: systemctl start keepalived; journalctl -u keepalived")
    if daemon["ActiveState"] != "active":
        troubles.append(
            f"cranectld.service is {daemon['ActiveState']} ({daemon['Result']}): "
            "systemctl start cranectld; journalctl -u cranectld"
        )
    elif state == WAITING or "cannot take over" in daemon["StatusText"] or ", but " in daemon["StatusText"]:
        troubles.append(daemon["StatusText"])
    if state == TAKING_OVER:
        troubles.append(
            f"the address is not here yet: journalctl -u keepalived, if it stays so for {known.address_timeout:g} s"
        )
    elif state != ACTIVE and here:
        troubles.append(f"{' '.join(here)} is here without cranectld: journalctl -u keepalived")
    elif state == ACTIVE and len(here) < len(known.addresses):
        troubles.append(f"{' '.join(set(known.addresses) - set(here))} is not here: journalctl -u keepalived")
    return troubles


def _script_troubles(root: Path, known: settings.Settings, since: float, keepalived: str) -> Iterator[str]:
    """A script that may not run, or not do its work, is silent until the day it is needed."""
    found = systemd.find_unit(root, systemd.CRANECTLD)
    if found:
        yield from selinux.troubles(root, found)
    try:
        ran = below(root, NOTE).stat().st_mtime
    except OSError:
        ran = 0.0
    if keepalived == "active" and ran < max(since, time.time() - known.check_silence):
        yield f"keepalived does not run {SCRIPTS[0]}: journalctl -u keepalived"


def _address_line(known: settings.Settings, here: list[str]) -> str:
    return ", ".join(
        f"{address} {'here, on' if address in here else 'not here; would be on'} {known.interface}"
        for address in known.addresses
    )


def _unit_line(daemon: dict[str, str], pid: Optional[int]) -> str:
    line = f"{daemon['ActiveState']} ({daemon['SubState']})"
    if pid is not None:
        line += f", process {pid}"
    # systemd keeps the last words of a unit that has ended
    return f"{line}: {daemon['StatusText']}" if daemon["ActiveState"] == "active" and daemon["StatusText"] else line


def _holder_line(held: str, holder: Optional[lock.Mark]) -> str:
    return f"{held} by {holder.node} since {holder.since}" if holder else "never held"


def _ask_storage(user: str, question: Callable[[], str]) -> str:
    """The storage's answer, or why there is none. Asked as cranectld's user: root may be nobody there."""
    try:
        return str(run.as_user(user, question, STORAGE_TIMEOUT))
    except (OSError, HaError, lock.LockError) as error:
        return f"cannot be read: {error}"
