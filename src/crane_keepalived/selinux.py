"""SELinux: is our policy module in force, do our files carry its labels, do keepalived's scripts run in its domain?

A module that did not load, or a label that was lost, shows as nothing but a script that fails in the night: so set-up
and status ask.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Optional

from .errors import Findings, ProgramError
from .files import below
from .model import HOOK_FOLDERS, LIBEXEC, NOTE, SCRIPTS
from .run import installed, run

DOMAIN = "crane_keepalived_t"
SCRIPT_TYPE = "crane_keepalived_exec_t"
UNIT_TYPE = "cranectld_unit_file_t"
# written to, it tells whether the policy in force knows a context (selinuxfs)
KNOWN_CONTEXTS = Path("/sys/fs/selinux/context")
LOAD = "semodule -X 200 -i /usr/share/selinux/packages/targeted/crane_keepalived.pp.bz2"

ENFORCING, PERMISSIVE, DISABLED = "Enforcing", "Permissive", "Disabled"


def mode() -> str:
    """Enforcing, Permissive or Disabled, as getenforce(8) says. Raises ProgramError."""
    return run("getenforce").stdout.strip() if installed("getenforce") else DISABLED


def check(unit: Path, findings: Findings) -> None:
    """Find out before anything is written whether SELinux would let the failover work."""
    try:
        now = mode()
        if now == DISABLED:
            return
        # permissive, all works, but not after the next switch to enforcing
        note = findings.error if now == ENFORCING else findings.warn
        if not _module_loaded():
            note(
                "SELinux",
                "the policy module crane_keepalived is not loaded",
                f"dnf install crane-keepalived-selinux; {LOAD}",
            )
            return
        # systemd asks for leave by the label of the file that a link leads to
        place = str(unit.resolve())
        wanted = run("matchpathcon", "-n", place).stdout.strip()
    except ProgramError as error:
        findings.error("SELinux", str(error))
        return
    if _type(wanted) != UNIT_TYPE:
        path = shlex.quote(place)
        cure = f"semanage fcontext -a -t {UNIT_TYPE} {path}; restorecon -v {path}; systemctl daemon-reload"
        note(unit, f"would have the label {_type(wanted)}, with which keepalived's scripts may not control it", cure)


def mislabelled(root: Path, unit: Path) -> tuple[Path, ...]:
    """Our scripts, cranectld's unit, checks and hooks, as far as they lack their labels; none without SELinux.

    Raises ProgramError.
    """
    if mode() == DISABLED or not _module_loaded():
        return ()
    wanted = {below(root, script): SCRIPT_TYPE for script in SCRIPTS} | {unit.resolve(): UNIT_TYPE}
    hooks = [file for folder in HOOK_FOLDERS for file in sorted(below(root, folder).glob("*"))]
    hooks = [file for file in hooks if file.is_file() and not file.is_symlink()]
    if hooks:
        # asked, not known: the administrator may have chosen another type for one, by semanage fcontext
        contexts = run("matchpathcon", "-n", *map(str, hooks)).stdout.splitlines()
        wanted.update(zip(hooks, map(_type, contexts)))
    return tuple(path for path, type_ in wanted.items() if label(path) != type_)


def relabel(paths: Iterable[Path]) -> None:
    """Give the files the labels that the policy has for their paths, if SELinux is enabled. Raises ProgramError."""
    listed = [str(path) for path in paths]
    if listed and mode() != DISABLED:
        run("restorecon", "-F", *listed)


def troubles(root: Path, unit: Path) -> Iterator[str]:
    """What in SELinux keeps this node from taking over, with what to run. Raises ProgramError."""
    if mode() != ENFORCING:
        return
    if not _module_loaded():
        yield f"SELinux: the policy module crane_keepalived is not loaded: {LOAD}"
        return
    for path in mislabelled(root, unit):
        cure = f"restorecon -F -v {shlex.quote(str(path))}"
        if path == unit.resolve():
            cure += "; systemctl daemon-reload"  # systemd 252 keeps the label that it saw when it read the unit
        yield f"SELinux: {path} has the label {label(path) or 'of nobody'}: {cure}"
    domain = _type(noted_domain(root))
    if domain and domain != DOMAIN:
        yield f"SELinux: keepalived's scripts run as {domain}, not {DOMAIN}: restorecon -R -F -v {LIBEXEC}"


def first_trouble(root: Path, unit: Optional[Path]) -> str:
    """The first of ``troubles``, "" without one: for a program's failure that SELinux may be behind."""
    try:
        return next(troubles(root, unit), "") if unit else ""
    except ProgramError:
        return ""


def noted_domain(root: Path) -> str:
    """The context in which a script of keepalived's last ran; "" before the first, and without SELinux."""
    try:
        return below(root, NOTE).read_text(errors="replace").strip()
    except OSError:
        return ""


def label(path: Path) -> str:
    """The type in a file's label; "" when it has none or is not there."""
    try:
        return _type(os.getxattr(path, "security.selinux").decode(errors="replace").rstrip("\0"))
    except OSError:
        return ""


def _type(context: str) -> str:
    return (context.split(":") + [""] * 3)[2]


def _module_loaded() -> bool:
    """Does the policy in force know our types? Asked of the kernel: what semodule lists need not be loaded."""
    try:
        descriptor = os.open(KNOWN_CONTEXTS, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return True  # not ours to ask: the answer is not no
    try:
        os.write(descriptor, f"system_u:object_r:{SCRIPT_TYPE}:s0".encode())
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
