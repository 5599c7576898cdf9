"""A node of the cluster: a machine, seen from inside."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

from .machine import BOOT_DEADLINE, SHUTDOWN_DEADLINE, Machine, innermost_pid
from .processes import Command, argv_of, inside, run

DAEMON = "cranectld.service"


class Node(Machine):
    """Everything here but journal() needs the node to be on, and raises AssertionError when it is not."""

    def start(self) -> None:
        """Powers on, and waits until it has booted."""
        self.power_on()
        self.wait_booted()

    def wait_booted(self) -> None:
        """Waits until the node's systemd has nothing left to start (also when some unit failed)."""
        self.lab.wait_until(f"{self} has booted", lambda: self.is_on and self._settled(), BOOT_DEADLINE)

    def _settled(self) -> bool:
        told = self.run(["systemctl", "is-system-running"], check=False).stdout
        return told.strip() in ("running", "degraded")

    def reboot(self) -> None:
        """Reboots in order, and waits until it is up again."""
        before = self.boots
        self.run(["systemctl", "reboot"], check=False)
        self.wait_rebooted(before)

    def wait_rebooted(self, boots_before: int, deadline: float = SHUTDOWN_DEADLINE) -> None:
        """Waits until the node has rebooted itself since `node.boots` was `boots_before`, and is up."""
        self.lab.wait_until(f"{self} reboots", lambda: self.boots > boots_before and self.is_on, deadline)
        self.wait_booted()

    # --- programs and files ----------------------------------------------------------------------------------------

    def run(
        self,
        command: Command,
        *,
        check: bool = True,
        timeout: float = 60,
        stdin: str | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program (a sequence) or shell line (a string) as root. Raises CommandFailed."""
        leader = self.leader
        assert leader, f"{self} is off"
        argv = argv_of(command)
        enter = inside(leader, "mount", "uts", "ipc", "net", "pid", "cgroup")
        label = f"{self}: {command if isinstance(command, str) else shlex.join(argv)}"
        return run([*enter, *argv], check=check, timeout=timeout, stdin=stdin, name=label, env=env)

    def write(self, path: str, content: str, mode: int = 0o644, owner: str = "root:root") -> None:
        """Writes a file; folders are made as needed."""
        user, _, group = owner.partition(":")
        self.run(["install", "-D", "-m", f"{mode:o}", "-o", user, "-g", group, "/dev/stdin", path], stdin=content)

    def read(self, path: str) -> str:
        return self.run(["cat", path]).stdout

    def standin(self, **knobs: object) -> None:
        """Sets the knobs of the node's stand-in cranectld (see standin/cranectld); none at all: the usual behaviour."""
        self.write("/etc/crane/standin.conf", "".join(f"{name}={value}\n" for name, value in knobs.items()))

    # --- units -----------------------------------------------------------------------------------------------------

    def unit_property(self, unit: str, name: str) -> str:
        return self.run(["systemctl", "show", "--value", f"--property={name}", unit]).stdout.strip()

    def unit_state(self, unit: str) -> str:
        """systemd's ActiveState: active, activating, deactivating, inactive, failed; "off" when the node is."""
        return self.unit_property(unit, "ActiveState") if self.is_on else "off"

    def says(self, words: str, unit: str = DAEMON) -> bool:
        """Are these words in the unit's status line?"""
        return words in self.unit_property(unit, "StatusText")

    def main_pid(self, unit: str = DAEMON) -> int:
        """The unit's main process, a process id of the node; 0 when there is none."""
        return int(self.unit_property(unit, "MainPID"))

    def beside(self, unit: str = DAEMON) -> list[int]:
        """The unit's processes but for its main one, as process ids of the node."""
        found = self.run(f"cat /sys/fs/cgroup$(systemctl show --property=ControlGroup --value {unit})/cgroup.procs")
        # 0: one that a test entered into the node
        return sorted(set(map(int, found.stdout.split())) - {0, self.main_pid(unit)})

    def kill(self, target: int | str = DAEMON, number: int = signal.SIGKILL) -> float:
        """Sends a signal to a process of the node, or a unit's main process. Returns the monotonic time just after."""
        pid = self.main_pid(target) if isinstance(target, str) else target
        assert pid, f"{self}: {target} has no main process"
        os.kill(self.host_pid(pid), number)
        return time.monotonic()

    def host_pid(self, pid: int) -> int:
        """The host's number of a process of the node. Raises AssertionError when there is none."""
        mine = Path(f"/proc/{self.leader}/ns/pid").readlink()
        for procs in (self.lab.cgroup / self.name).rglob("cgroup.procs"):
            for here in map(int, procs.read_text().split()):
                if innermost_pid(here) == pid and Path(f"/proc/{here}/ns/pid").readlink() == mine:
                    return here
        raise AssertionError(f"{self} has no process {pid}")

    def journal(self, unit: str = "", lines: int = 200) -> str:
        """The last lines of the journal, of all boots, also while the node is off; times are this host's monotonic."""
        folder = f"--directory={self.disk}/root/var/log/journal"
        select = [f"--unit={unit}"] if unit else []
        form = ("--output=short-monotonic", "--no-pager", "--quiet", f"--lines={lines}")
        return self.lab.run(["journalctl", folder, *form, *select], check=False).stdout
