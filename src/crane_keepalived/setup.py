"""crane-ha-setup, from the question to the settled node. Until `commit` nothing on the node has changed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from . import firewall, plan, selinux, session, status, systemd
from .commit import commit, stage
from .errors import Findings, HaError, ProgramError
from .files import below
from .model import CRANECTLD_DROP_IN
from .options import Options
from .plan import Plan
from .prepare import Prepared, prepare
from .systemd import CRANECTLD, KEEPALIVED, UnitState
from .unit import gate_holder

# how long a node may take until it is active or standby, in seconds
SETTLE_LIMIT = 60.0


def setup(options: Options, findings: Findings) -> None:
    """Do what the options ask, telling a person on stdout.

    Raises InputError for what was written, HaError and OSError for the rest.
    """
    states = _states(options.root, findings) if options.on_node else {}
    prepared = prepare(options, findings)
    for warning in findings.warnings:
        print(f"crane-ha-setup: warning: {warning}", file=sys.stderr, flush=True)
    changes = plan.changes(options.root, prepared.files)
    todo = plan.make(
        options.root,
        changes,
        states,
        mislabelled=_mislabelled(options.root) if states else (),
        lock_missing=prepared.lock_missing,
        serving=_serves(options.root, states),
    )
    started = 0.0
    if todo.nothing:
        print("unchanged: all is as asked")
    else:
        _show(prepared, todo)
        if options.dry_run:
            print("dry run: nothing was changed")
            return
        session.confirm(options)
        started = time.time()
        with session.alone(options.root):
            stage(options.root, options.on_node, prepared.files)
            before = commit(options.root, prepared.config, prepared.files, todo, states, again=options.create_lock)
        for change in todo.changes:
            if change.replaces_foreign:
                print(f"the former {change.file.path} is kept in {before.copy_of(change.file.path)}")
    if options.on_node:
        _tell(options.root, prepared, started)
    elif not todo.nothing:
        print("written; nothing was enabled or started")


def _states(root: Path, findings: Findings) -> dict[str, UnitState]:
    try:
        states = systemd.states(KEEPALIVED, CRANECTLD, firewall.SERVICE)
    except ProgramError as error:
        hint = selinux.first_trouble(root, systemd.find_unit(root, CRANECTLD))
        findings.error("systemd", str(error), hint)
        return {}
    if not states[KEEPALIVED].installed:
        findings.error(KEEPALIVED, "is not installed, or masked", "dnf install keepalived; systemctl unmask keepalived")
    return states


def _serves(root: Path, states: dict[str, UnitState]) -> bool:
    """Does cranectld itself run here? Without our drop-in an active unit is enough; with it the gate is open then."""
    running = CRANECTLD in states and states[CRANECTLD].active
    return running and (not below(root, CRANECTLD_DROP_IN).exists() or gate_holder(root) is not None)


def _mislabelled(root: Path) -> tuple[Path, ...]:
    unit = systemd.find_unit(root, CRANECTLD)
    return selinux.mislabelled(root, unit) if unit else ()


def _show(prepared: Prepared, todo: Plan) -> None:
    for change in todo.changes:
        print(change.diff())
    print(f"interface {prepared.config.vrrp.interface}: {prepared.interface_why}")
    for step in todo.steps():
        print(step)


def _tell(root: Path, prepared: Prepared, started: float) -> None:
    """Wait until the node has settled after a set-up that began at ``started`` (seconds since 1970; 0: there was none),
    and say in two lines what it is and what the other node needs."""
    # the next check, by which keepalived shows that it runs them, may be an interval away
    limit = SETTLE_LIMIT + prepared.config.check.interval if started else 0
    deadline = time.monotonic() + limit
    seen, calm = status.observe(root), 0
    # twice: a unit that has just started has not yet found out what it is
    while limit and calm < 2:
        if time.monotonic() > deadline:
            trouble = "; ".join(seen.troubles) or "it does not say why"
            what = f"all is written and started, but after {limit:g} s {seen.node} is {seen.state}: {trouble}"
            raise HaError(what, "see crane-ha status, and journalctl -u keepalived -u cranectld")
        time.sleep(0.3)
        seen = status.observe(root, started)
        calm = calm + 1 if seen.settled else 0
    print(_sentence(seen, prepared))
    print(f"On the other node run:  {prepared.other_line}")


def _sentence(seen: status.NodeStatus, prepared: Prepared) -> str:
    vrrp = prepared.config.vrrp
    if seen.troubles:
        why = "; ".join(seen.troubles)
    elif seen.state == status.ACTIVE:
        why = f"cranectld runs here, and {' '.join(vrrp.plain_addresses)} is on {vrrp.interface}"
    else:
        why = f"cranectld waits here for the storage lock, {dict(seen.lines)['lock']}"
    return f"{seen.node} is {seen.state}: {why}"
