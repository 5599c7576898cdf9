"""The one moment in which the node changes: staged, judged, replaced, started; and put back when that fails."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NoReturn

from . import firewall, generations, storage, systemd
from .errors import HaError
from .files import below, remove, write
from .keepalived import check_configuration
from .model import TMPFILES, HaConfig, RenderedFile
from .plan import PENDING, Plan
from .run import run
from .selinux import relabel
from .systemd import CRANECTLD, KEEPALIVED, UnitState

STAGE = generations.STATE_FOLDER / "stage"


def stage(root: Path, on_node: bool, files: Collection[RenderedFile]) -> None:
    """Write all files beside the real ones, and let keepalived judge its own. Raises HaError and OSError."""
    folder = below(root, STAGE)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        for file in files:
            write(below(folder, file.path), file.content.encode(), file.mode)
        check_configuration(folder, on_node)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def commit(
    root: Path,
    config: HaConfig,
    files: Collection[RenderedFile],
    todo: Plan,
    states: Mapping[str, UnitState],
    *,
    again: bool,
) -> generations.Generation:
    """Replace the files and start what they are for; return what was there before. Without states nothing is started.

    ``again``: a lock file that is made stands for one that was lost.

    Raises HaError, with everything put back.
    """
    if todo.make_lock:
        storage.create_lock(config.lock.ha_lock, config.lock.cluster_id, config.daemon.user, again)
    units = {unit: states[unit] for unit in (KEEPALIVED, CRANECTLD) if unit in states}
    before = generations.save(root, [file.path for file in files], units)
    touched: list[str] = []
    try:
        write(below(root, PENDING), b"", 0o600)
        for change in todo.changes:
            write(below(root, change.file.path), change.file.content.encode(), change.file.mode)
        if states:
            _apply(root, config, todo, touched)
        remove(below(root, PENDING))
    except BaseException as error:  # Ctrl-C too
        _roll_back(root, before, touched, error)
    return before


def restore_units(units: Mapping[str, UnitState], touched: Collection[str]) -> None:
    """Enable, disable, restart and stop the units until they are as they were. Raises ProgramError."""
    systemd.systemctl("daemon-reload")
    for unit, state in units.items():
        run("systemctl", "enable" if state.enabled else "disable", unit, check=False)
        if unit in touched:
            # not waited for: cranectld may have to wait for another instance, as it had before us
            run("systemctl", "restart" if state.active else "stop", "--no-block", unit, check=False)


def _apply(root: Path, config: HaConfig, todo: Plan, touched: list[str]) -> None:
    relabel((*(change.file.path for change in todo.changes), *todo.mislabelled))
    run("systemd-tmpfiles", "--create", str(TMPFILES))
    if todo.open_firewall:
        touched.append(firewall.SERVICE)
        firewall.open_vrrp(root, config.vrrp.interface)
    if todo.reload_systemd:
        systemd.systemctl("daemon-reload")
    if todo.enable:
        systemd.systemctl("enable", *todo.enable)
    if todo.keepalived:
        touched.append(KEEPALIVED)
        systemd.systemctl(todo.keepalived, KEEPALIVED)
    if todo.cranectld and not (todo.cranectld == todo.keepalived == "restart"):  # PartOf= took it along
        touched.append(CRANECTLD)
        # not waited for: it may have to end first, and then it queues
        systemd.systemctl(todo.cranectld, "--no-block", CRANECTLD)


def _roll_back(root: Path, before: generations.Generation, touched: list[str], cause: BaseException) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    reason = str(cause) or "interrupted"
    try:
        before.restore()
        if firewall.SERVICE in touched:
            firewall.close_vrrp(root)
        if before.units:
            restore_units(before.units, touched)
        before.discard()
        remove(below(root, PENDING))
    except (OSError, HaError) as error:
        kept = f"the former files are in {generations.FOLDER / before.folder.name}"
        raise HaError(f"{reason}; and they could not all be put back: {error}", kept) from cause
    raise HaError(
        f"{reason}; the former files are back, and the services run with them again", "see journalctl -u keepalived"
    ) from cause
