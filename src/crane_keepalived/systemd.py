"""systemd: the unit files on disk, read as systemd reads them, and systemctl."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from .errors import Findings
from .files import below
from .model import DROP_IN, Daemon
from .run import run

CRANECTLD = "cranectld.service"
KEEPALIVED = "keepalived.service"
# best first, as systemd.unit(5) has them
FOLDERS = tuple(
    Path(folder)
    for folder in (
        "/etc/systemd/system",
        "/run/systemd/system",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    )
)
# where systemd looks for a program that is named without its path
PROGRAM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
DEFAULT_DAEMON = Daemon("crane", "crane", "/usr/bin/cranectld")
# what no drop-in may set after ours
OURS = ("ExecStart", "ExecStopPost", "KillMode", "NotifyAccess", "Restart", "RestartSec", "TimeoutStopSec", "Type")


@dataclass(frozen=True)
class UnitState:
    """What systemctl says of a unit. ``outdated``: its files have changed since systemd read them."""

    installed: bool
    active: bool
    enabled: bool
    outdated: bool = False


def states(*units: str) -> dict[str, UnitState]:
    """The state of each unit, by one call. Raises ProgramError."""
    found = dict.fromkeys(units, UnitState(False, False, False))
    said = run("systemctl", "show", "--property=LoadState,ActiveState,UnitFileState,NeedDaemonReload", *units).stdout
    for unit, block in zip(units, said.strip().split("\n\n")):
        value = _properties(block)
        found[unit] = UnitState(
            installed=value.get("LoadState") == "loaded",
            active=value.get("ActiveState") in ("active", "reloading"),
            enabled=value.get("UnitFileState") == "enabled",
            outdated=value.get("NeedDaemonReload") == "yes",
        )
    return found


def show(unit: str, *properties: str) -> dict[str, str]:
    """Properties of one unit, those that it has not as "". Raises ProgramError."""
    value = _properties(run("systemctl", "show", f"--property={','.join(properties)}", unit).stdout)
    return {name: value.get(name, "") for name in properties}


def systemctl(*arguments: str) -> None:
    """Let systemctl do something. Raises ProgramError."""
    run("systemctl", *arguments, timeout=120)


def find_unit(root: Path, unit: str) -> Optional[Path]:
    """The unit's own file, which may be a link to /dev/null."""
    candidates = (below(root, folder) / unit for folder in FOLDERS)
    return next((path for path in candidates if path.is_symlink() or path.exists()), None)


def drop_ins(root: Path, unit: str) -> tuple[Path, ...]:
    """The unit's drop-ins but ours, in the order in which systemd reads them."""
    found = {}
    for folder in reversed(FOLDERS):
        found.update({path.name: path for path in (below(root, folder) / f"{unit}.d").glob("*.conf")})
    return tuple(found[name] for name in sorted(found) if name != DROP_IN)


def read_daemon(root: Path, on_node: bool, findings: Findings) -> Daemon:
    """How cranectld.service starts cranectld, and as whom, our own drop-in aside. An empty group is the user's own.

    Without a unit it is CraneSched's own, and an error on a node.
    """
    unit = find_unit(root, CRANECTLD)
    if unit is None:
        if on_node:
            findings.error(CRANECTLD, "is not installed on this node", "install CraneSched's cranectld first")
        return DEFAULT_DAEMON
    if unit.is_symlink() and str(unit.readlink()) == "/dev/null":
        findings.error(CRANECTLD, "is masked", f"systemctl unmask {CRANECTLD}")
        return DEFAULT_DAEMON
    starts: list[str] = []
    value: dict[str, str] = {}
    for path in (unit, *drop_ins(root, CRANECTLD)):
        for key, text in _service_lines(path):
            value[key] = text
            if key == "ExecStart":
                starts = [*starts, text] if text else []
            if path != unit and path.name > DROP_IN and key in OURS:
                cure = f"rename the file so that it sorts before {DROP_IN}"
                findings.error(path, f"{key}= here would undo ours", cure)
    if value.get("Type", "simple") not in ("simple", "exec", "notify"):
        what = f"Type={value['Type']} is not how a cranectld in the foreground runs"
        findings.error(unit, what, "make it Type=simple")
    return Daemon(value.get("User") or "root", value.get("Group", ""), _command(root, unit, starts, findings))


def _service_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Key and value of each assignment in the section [Service]; a backslash at a line's end joins it to the next."""
    section = joined = ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.lstrip().startswith(("#", ";")):
            continue
        joined += line
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        whole, joined = joined.strip(), ""
        if whole.startswith("[") and whole.endswith("]"):
            section = whole[1:-1]
        elif section == "Service" and "=" in whole:
            key, _, value = whole.partition("=")
            yield key.strip(), value.strip()


def _command(root: Path, unit: Path, starts: list[str], findings: Findings) -> str:
    """The command line without the characters that systemd reads before it (systemd.service(5), "COMMAND LINES")."""
    if len(starts) != 1:
        findings.error(unit, f"has {len(starts)} ExecStart= lines", "leave the one that starts cranectld")
        return DEFAULT_DAEMON.command
    command = starts[0].lstrip("-@:+!|")
    prefixes = starts[0][: len(starts[0]) - len(command)]
    words = command.split(None, 1)
    if set(prefixes) & set("+!|:"):
        what = f"ExecStart={starts[0]} has a prefix that crane-keepalived cannot keep"
        findings.error(unit, what, f"write it without {prefixes}")
    if not words:
        findings.error(unit, f"ExecStart={starts[0]} names no program", "let it start cranectld")
        return DEFAULT_DAEMON.command
    if "@" in prefixes:
        # the second word is what the program is to be called: no argument
        words = [words[0], *re.split(r"\s+", words[1], maxsplit=1)[1:]] if len(words) > 1 else words
    if not words[0].startswith("/"):
        there = (folder for folder in PROGRAM_FOLDERS if below(root, Path(folder, words[0])).exists())
        words[0] = f"{next(there, '/usr/bin')}/{words[0]}"
    return " ".join(words)


def _properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
