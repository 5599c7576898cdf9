"""What the text of the scripts must not hold, whatever they do today."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from .node import SCRIPTS

ALL = sorted(path for path in SCRIPTS.iterdir() if path.is_file())
SHELL = [path for path in ALL if re.search(r"^#!/bin/sh$|^# shellcheck shell=sh\b", path.read_text(), re.MULTILINE)]
SOURCED = {"node-state.sh"}

STORAGE = ("HA_LOCK", "CRANECTLD_LOCK", "ALIVE_FILE")
# each was in the hand-written set-up or in its kind, and failed there
FAILED = ("/tmp", "mktemp", "eval", "pgrep", "pkill", "killall", "setenforce")

READERS = (
    ("dash", "-n"),
    ("bash", "--posix", "-n"),
    ("shellcheck", "--shell=sh", "--external-sources"),
    ("checkbashisms", "--posix"),
)

every_script = pytest.mark.parametrize("script", ALL, ids=lambda path: path.name)
every_shell_script = pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)


def code_of(script: Path) -> str:
    """A shell script without comments, as far as a line-by-line look can tell."""
    return re.sub(r"(^|\s)#.*", "", script.read_text(), flags=re.MULTILINE)


def test_every_shell_script_is_looked_at() -> None:
    names = (
        "check_and_failover.sh",
        "on_master.sh",
        "on_backup.sh",
        "on_fault.sh",
        "node-state.sh",
        "close-gate",
        "fence",
    )
    assert {script.name for script in SHELL} >= set(names)


@every_script
@pytest.mark.parametrize("word", STORAGE + FAILED)
def test_no_script_knows_the_storage_or_uses_what_failed_before(script: Path, word: str) -> None:
    assert not re.search(rf"(?<!\w){word}\b", script.read_text())


@every_shell_script
def test_systemctl_is_called_for_one_unit_only(script: Path) -> None:
    for words in re.findall(r"\bsystemctl\b[^|;&)\n]*", code_of(script)):
        assert re.fullmatch(r"systemctl (--no-block try-restart|show --property=\w+ --value) cranectld\.service", words)


@every_shell_script
def test_programs_are_found_on_path(script: Path) -> None:
    assert not re.search(r"bin/\w+", code_of(script).partition("\n")[2])


@every_shell_script
@pytest.mark.parametrize("reader", [words for words in READERS if shutil.which(words[0])], ids=" ".join)
def test_every_shell_can_read_it(script: Path, reader: tuple[str, ...]) -> None:
    ended = subprocess.run([*reader, script.name], cwd=SCRIPTS, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


@every_script
def test_programs_are_executable_and_what_is_sourced_is_not(script: Path) -> None:
    sourced = script.name in SOURCED
    assert stat.S_IMODE(script.stat().st_mode) & 0o7133 == (0 if sourced else 0o111)
    assert script.read_text().startswith("#!") != sourced
