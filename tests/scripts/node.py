"""A node as the scripts see it: their absolute paths, in a root folder that one call alone is confined to.

Each call gets a mount namespace of its own, with the host's programs read-only in it, and the namespace ends with the
call: the host sees no mount, no file outside the folder, and no process but what a script left behind.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import IO, NamedTuple, Optional, Union

from crane_keepalived import unit

SCRIPTS = Path(__file__).parents[2] / "scripts"
LIBEXEC = Path("usr/libexec/crane-keepalived")
CRANE = 1001  # the user of cranectld.service, and as its group
DEADLINE = 20.0  # seconds; every limit in the tests is far below it

# what systemd gives a unit
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
FAKES = ("systemctl", "logger", "note", "reboot")

Call = tuple[str, ...]
RESTART: Call = ("systemctl", "--no-block", "try-restart", "cranectld.service")
ASK: Call = ("systemctl", "show", "--property=Result", "--value", "cranectld.service")

_SETTINGS = {
    "ROLE": "master",
    "CLUSTER_ID": "0badcafe",
    "INTERFACE": "ens33",
    "ADDRESSES": "192.168.1.211 fd00::211",
    "CHECK_TIMEOUT": "10",
    "CHECK_GRACE": "0",
    "HOOK_TIMEOUT": "10",
}

_CONFINED = """
root=$1
shift
mount -o bind,ro /usr "$root/host"
mount --bind /proc "$root/proc"
mount --bind /dev/null "$root/dev/null"
exec chroot "$@"
"""


class Ended(NamedTuple):
    """How a script ended, and what it printed."""

    status: int
    printed: str


class Node:
    """One node; ``root`` is an empty folder, ``shell`` what /bin/sh is here."""

    def __init__(self, root: Path, shell: Path, stdin: IO[bytes]) -> None:
        self.root = root
        self.etc = root / "etc/crane-keepalived"
        self.gate = root / unit.GATE
        self._stdin = stdin
        self._build(shell)
        self.has_settings()
        self.link_is_up()
        self.systemd_says("success")

    def _build(self, shell: Path) -> None:
        root = self.root
        root.chmod(0o755)
        for folder in (
            "bin",
            "dev",
            "fake",
            "host",
            "proc",
            "run/crane-keepalived",
            "sys/class/net/ens33",
            "usr/local/bin",
            LIBEXEC,
        ):
            (root / folder).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / "usr" / name).symlink_to(f"/host/{name}")
        for name in ("lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        for folder in ("check.d", "master.d", "backup.d", "fault.d"):
            (self.etc / folder).mkdir(parents=True)
        (root / "bin/sh").symlink_to(shell)
        (root / "dev/null").touch()
        (root / "etc/passwd").write_text(f"root:x:0:0::/:/bin/sh\ncrane:x:{CRANE}:{CRANE}::/:/bin/sh\n")
        for script in SCRIPTS.iterdir():
            shutil.copy2(script, root / LIBEXEC)
        shutil.copy2(Path(__file__).with_name("fake_program.sh"), root / "fake/program")
        for name in FAKES:
            (root / "usr/local/bin" / name).symlink_to("/fake/program")
        self.stands_by()

    # ---- what is true on this node ----

    def gate_holds(self, content: Optional[Union[str, bytes]]) -> None:
        """The gate's content, in its owner's hands; None: there is no gate."""
        if content is None:
            self.gate.unlink()
            return
        self.gate.write_bytes(content.encode() if isinstance(content, str) else content)
        os.chown(self.gate, CRANE, CRANE)

    def stands_by(self) -> None:
        """The gate is closed: another node holds the lock."""
        self.gate_holds("0\n")

    def holds_the_lock(self) -> None:
        """The gate is open for a process that lives: that of this test."""
        unit.open_gate(os.getpid(), self.root)

    def holder_died(self) -> None:
        """The gate is still open for a process that lives no more."""
        unit.open_gate(ended_process(), self.root)

    def link_is_up(self) -> None:
        """The cable is plugged in."""
        (self.root / "sys/class/net/ens33/carrier").write_text("1\n")

    def link_is_down(self) -> None:
        """The cable is pulled."""
        (self.root / "sys/class/net/ens33/carrier").write_text("0\n")

    def link_is_off(self) -> None:
        """The interface is switched off: its carrier cannot be read."""
        (self.root / "sys/class/net/ens33/carrier").unlink()

    def systemd_says(self, result: str) -> None:
        """``Result=`` of cranectld.service: how its last run ended."""
        self.answers("systemctl show", f"{result}\n")

    def answers(self, call: str, text: str) -> None:
        """What a fake program, called with this first argument, prints from now on."""
        (self.root / f"fake/{call}.says").write_text(text)

    def fails(self, program: str) -> None:
        """From now on this fake program ends with status 1."""
        (self.root / f"fake/{program}.fails").touch()

    def has_settings(self, **changed: str) -> None:
        """The settings file, as crane-ha-setup renders it, except for these."""
        lines = (f"{key}={shlex.quote(value)}\n" for key, value in {**_SETTINGS, **changed}.items())
        (self.etc / "settings").write_text("".join(lines))

    def is_not_set_up(self) -> None:
        """There is no settings file."""
        (self.etc / "settings").unlink()

    def executable(self, name: str, *lines: str, mode: int = 0o755, owner: int = 0, group: int = 0) -> Path:
        """The administrator's executable below /etc/crane-keepalived. Without lines of its own it notes its name."""
        path = self.etc / name
        path.write_text("\n".join(("#!/bin/sh", *(lines or (f"note {shlex.quote(name)}",)), "")))
        os.chown(path, owner, group)
        path.chmod(mode)
        return path

    # ---- what is done to it ----

    def start(self, script: str, user: int = 0) -> subprocess.Popen[str]:
        """Let a script run; its stdin stays open and silent. Who starts it waits for it."""
        confine = ["unshare", "--mount", "/bin/sh", "-euc", _CONFINED, "-", str(self.root)]
        become = [f"--userspec={user}:{user}", "--groups=", str(self.root)]
        return subprocess.Popen(
            [*confine, *become, f"/{LIBEXEC}/{script}"],
            env={"PATH": PATH},
            stdin=self._stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            umask=0o077,  # as keepalived's
        )

    def end(self, running: subprocess.Popen[str]) -> Ended:
        """Wait for a script to end."""
        with running:
            try:
                printed, _ = running.communicate(timeout=DEADLINE)
            except subprocess.TimeoutExpired:
                running.kill()
                raise AssertionError(f"still running after {DEADLINE:g} s: {running.args!r}") from None
            return Ended(running.returncode, printed)

    def run(self, script: str, user: int = 0) -> int:
        """A script's exit status. It has nothing to print: what it has to say goes to the log."""
        ended = self.end(self.start(script, user))
        assert not ended.printed, f"{script} printed: {ended.printed}"
        return ended.status

    # ---- what came of it ----

    def calls(self, *programs: str) -> list[Call]:
        """The calls of these fake programs, or of all, in their order: name and arguments."""
        path = self.root / "fake/calls"
        recorded = path.read_text().split("\x1e")[:-1] if path.exists() else []
        calls = [tuple(call.split("\x1f")) for call in recorded]
        return [call for call in calls if not programs or call[0] in programs]

    def orders(self) -> list[Call]:
        """What systemctl was told to do; questions left out."""
        return [call for call in self.calls("systemctl") if call[1] != "show"]

    def notes(self) -> list[str]:
        """What the administrator's executables noted, each note's words joined by a blank."""
        return [" ".join(call[1:]) for call in self.calls("note")]

    def log(self) -> str:
        """What was said in the log."""
        return "\n".join(call[-1] for call in self.calls("logger"))

    def forget_calls(self) -> None:
        """Begin a new list of calls."""
        (self.root / "fake/calls").unlink(missing_ok=True)


def ended_process() -> int:
    """The id of a process that was, and is no more."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def wait_for_end_of(process: int) -> None:
    """Until the process is no more, or only waits to be reaped. Raises AssertionError after the deadline."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state in "ZX":
            return
        time.sleep(0.01)
    raise AssertionError(f"process {process} still lives after {DEADLINE:g} s")
