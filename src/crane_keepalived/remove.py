"""crane-ha-setup --remove: back to what was before the first set-up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from . import failures, firewall, generations, session, settings, unit
from .commit import restore_units
from .files import below
from .model import NOTE
from .options import Options
from .run import run
from .selinux import relabel
from .systemd import CRANECTLD, KEEPALIVED


def remove(options: Options) -> None:
    """Undo all set-ups of this node, telling a person on stdout. Raises HaError and OSError."""
    before = generations.first(options.root)
    if before is None:
        print("not set up: nothing to remove")
        return
    for step in _steps(before):
        print(step)
    lock = _lock_file(options.root)
    if options.dry_run:
        print("dry run: nothing was changed")
        return
    session.confirm(options)
    with session.alone(options.root):
        _undo(options, before)
        shutil.rmtree(below(options.root, generations.FOLDER))
    print("removed: this node is as it was before crane-ha-setup")
    if lock:
        print(f"{lock} stays on the shared storage: the other node may use it")


def _undo(options: Options, before: generations.Generation) -> None:
    if not options.on_node:
        before.restore()
        return
    # while our drop-ins are still there: they take the addresses away
    run("systemctl", "stop", CRANECTLD, KEEPALIVED, timeout=180, check=False)
    before.restore()
    relabel(path for path in (Path(entry["path"]) for entry in before.files) if path.exists())
    firewall.close_vrrp(options.root)
    for state in (unit.GATE, failures.RECORD):
        (options.root / state).unlink(missing_ok=True)
    shutil.rmtree(below(options.root, NOTE).parent, ignore_errors=True)
    restore_units(before.units, before.units)


def _steps(before: generations.Generation) -> Iterator[str]:
    for entry in before.files:
        yield f"{entry['path']} will {'go' if 'absent' in entry else 'be again what it was'}"
    for name, state in before.units.items():
        yield f"{name} will be {'enabled' if state.enabled else 'disabled'}, and {'run' if state.active else 'not run'}"


def _lock_file(root: Path) -> str:
    try:
        return str(settings.load(root).ha_lock)
    except (OSError, settings.SettingsError):
        return ""
