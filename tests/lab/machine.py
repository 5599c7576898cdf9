"""A machine as a hand on it would treat it: a power button, a network cable, and a disk that outlives both."""

from __future__ import annotations

import hashlib
import os
import shlex
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .network import INTERFACE, VIP
from .processes import inside, kill_group, start
from .waiting import wait_until

if TYPE_CHECKING:
    from .lab import Lab

REBOOT = 133  # systemd-nspawn's exit code when the payload asked for a reboot
BOOT_DEADLINE = 60.0
END_DEADLINE = 10.0
SHUTDOWN_DEADLINE = 100.0  # systemd's own patience with a unit that does not stop is 90 s


class Machine:
    """One systemd-nspawn container; `leader` is its PID 1, as a process id of this host, 0 while it is off."""

    def __init__(self, lab: Lab, number: int) -> None:
        self.lab = lab
        self.name = f"node{number}"
        self.address = f"192.168.1.{10 + number}"
        self.mac = f"02:00:00:00:01:{10 + number}"
        self.boots = 0
        self.leader = 0
        self.namespace = ""  # the network namespace's name; "" while it is off
        self.isolated = False
        self.cable = True
        self.disk = f"{lab.folder}/{self.name}"
        self.container: subprocess.Popen[str] | None = None
        self.keeper: threading.Thread | None = None
        self.wanted = False  # powered on: a reboot that the machine asks for is carried out
        self.lock = threading.RLock()

    def __repr__(self) -> str:
        return self.name

    @property
    def is_on(self) -> bool:
        return bool(self.leader)

    # --- disk: an overlay's upper layer ----------------------------------------------------------------------------

    def format_disk(self) -> None:
        """An empty layer over the image; what the machine writes stays there until the lab ends."""
        machine_id = hashlib.sha256(self.name.encode()).hexdigest()[:32]
        self.lab.run(f"""
            mkdir -p {self.disk}/upper/etc {self.disk}/work {self.disk}/root
            echo {machine_id} >{self.disk}/upper/etc/machine-id
            echo {self.name} >{self.disk}/upper/etc/hostname
        """)
        self.mount_disk()

    def mount_disk(self) -> None:
        layers = f"lowerdir={self.lab.image},upperdir={self.disk}/upper,workdir={self.disk}/work"
        self.lab.run(["mount", "-t", "overlay", "-o", layers, self.name, f"{self.disk}/root"])

    def unmount_disk(self) -> None:
        """Of a machine that is off; its last processes may still be ending."""
        command = ["umount", f"{self.disk}/root"]
        wait_until(f"{self}'s disk is free", lambda: not self.lab.run(command, check=False).returncode, END_DEADLINE)

    # --- power -----------------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Presses the button; returns as soon as PID 1 runs."""
        with self.lock:
            assert not self.leader, f"{self} is on already"
            self.wanted = True
            self._boot()

    def power_off_hard(self) -> float:
        """A power cut: network dark, every process gone, the disk as it was. Returns the monotonic time of it.

        No question that the client asks after that time is still answered by this machine."""
        with self.lock:
            container, leader = self._running()
            self.wanted, self.container, self.leader = False, None, 0
            self.lab.network.detach(self)
            cut = time.monotonic()
            with suppress(ProcessLookupError):  # a reboot was just ending it
                os.kill(leader, signal.SIGKILL)
        self._await_end(container, END_DEADLINE)
        return cut

    def power_off(self) -> None:
        """Shuts down in order (systemctl poweroff), and waits for it."""
        with self.lock:
            container, leader = self._running()
            self.wanted = False
            os.kill(leader, signal.SIGRTMIN + 4)
        self._await_end(container, SHUTDOWN_DEADLINE)
        wait_until(f"{self} is off", lambda: not self.leader, END_DEADLINE, self.console)

    def ended(self) -> None:
        """The lab has gone, and this machine with it."""
        self.leader = 0
        if self.container:
            self.container.wait()
        if self.keeper:
            self.keeper.join()

    def console(self) -> str:
        """The last lines that systemd wrote on the console."""
        return self.lab.run(["tail", "-n", "30", f"{self.disk}/console"], check=False).stdout

    def _running(self) -> tuple[subprocess.Popen[str], int]:
        assert self.container is not None, f"{self} is off already"
        assert self.leader, f"{self} is off already"
        return self.container, self.leader

    def _boot(self) -> None:
        self.boots += 1
        self.lab.network.attach(self)
        cgroup = self.lab.cgroup / self.name
        cgroup.mkdir(exist_ok=True)
        container = shlex.join(
            [
                # it joins the namespace only after it has mounted /sys, which would show another one's interfaces
                *("nsenter", f"--net=/run/netns/{self.namespace}"),
                *("systemd-nspawn", "--boot", "--quiet", "--register=no", "--keep-unit", "--link-journal=no"),
                *("--resolv-conf=off", "--timezone=off", "--console=read-only", "--capability=CAP_NET_ADMIN"),
                *(f"--directory={self.disk}/root", f"--machine={self.name}", f"--hostname={self.name}"),
                f"--network-namespace-path=/run/netns/{self.namespace}",
                f"--bind={self.lab.folder}/shared:/var/crane",
                *(f"--bind-ro={host}:{here}" for host, here in self.lab.binds.items()),
            ]
        )
        # the cgroup is entered from outside: a cgroup namespace keeps out processes that it does not see
        enter = shlex.join(inside(self.lab.init, "mount", "net", "pid", "cgroup", "uts", "ipc"))
        line = f"exec {container} >>{self.disk}/console 2>&1"
        self.container = start(
            ["/bin/sh", "-c", f"echo $$ >{cgroup}/cgroup.procs && exec {enter} /bin/sh -c {shlex.quote(line)}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.leader = self._find_leader(self.container, cgroup)
        self.keeper = threading.Thread(target=self._keep, args=(self.container,), name=f"{self} power", daemon=True)
        self.keeper.start()

    def _find_leader(self, container: subprocess.Popen[str], cgroup: Path) -> int:
        deadline = time.monotonic() + BOOT_DEADLINE
        while time.monotonic() < deadline and container.poll() is None:
            for procs in (cgroup / "payload/cgroup.procs", cgroup / "payload/init.scope/cgroup.procs"):
                for pid in map(int, procs.read_text().split() if procs.exists() else ()):
                    # before its exec it is still systemd-nspawn
                    if innermost_pid(pid) == 1 and Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                        return pid
            time.sleep(0.005)
        raise AssertionError(f"{self} did not start:\n{self.console()}")

    def _keep(self, container: subprocess.Popen[str]) -> None:
        """Waits for the container's end, in a thread of its own; when it asked for a reboot, boots it again."""
        code = container.wait()
        with self.lock:
            if container is not self.container or self.lab.closing:
                return
            self.lab.network.detach(self)
            self.container, self.leader = None, 0
            if code == REBOOT and self.wanted:
                try:
                    self._boot()
                except AssertionError:
                    if not self.lab.closing:  # else the lab went away under it
                        raise

    def _await_end(self, container: subprocess.Popen[str], deadline: float) -> None:
        try:
            container.wait(deadline)
        except subprocess.TimeoutExpired:
            kill_group(container)
            raise AssertionError(f"{self} is not off after {deadline:g} s:\n{self.console()}") from None

    # --- network ---------------------------------------------------------------------------------------------------

    def link(self, up: bool) -> float:
        """Plugs or pulls the network cable, also of a machine that is off. Returns the monotonic time of it."""
        with self.lock:  # not while it powers on or off
            self.cable = up
            self.lab.network.cable(self, up)
        return time.monotonic()

    def isolate(self, isolated: bool) -> None:
        """Cuts the machine off from the other, or ends that; see Lab.partition."""
        with self.lock:
            self.isolated = isolated
            self.lab.network.isolate(self, isolated)

    def addresses(self) -> list[str]:
        """The IPv4 and IPv6 addresses on the network interface, without prefix length; none while it is off."""
        namespace = self.namespace
        if not namespace:
            return []
        shown = self.lab.run(["ip", "-n", namespace, "-o", "addr", "show", "dev", INTERFACE], check=False)
        words = shown.stdout.split()
        return [words[i + 1].partition("/")[0] for i, word in enumerate(words) if word in ("inet", "inet6")]

    def has_address(self, address: str = VIP) -> bool:
        return address in self.addresses()


def innermost_pid(pid: int) -> int:
    """A process's number in its own pid namespace; 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1])
