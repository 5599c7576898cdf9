"""The machine: a power button, a login, a memory of how it was.

It ends with the process that made it, whichever way that ends (parent death signal); its disk is an overlay in a
temporary folder.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, Optional

from lab import waiting
from lab.processes import ENVIRONMENT, Command, argv_of, kill_group, run, start

from . import image

BOOT_DEADLINE = 300.0  # 40 s on an idle machine of two cores; several times that beside other tests
MEMORY = 1024  # MiB


class Machine:
    """`policy` is another system's root folder, to take its SELinux policy from; `kernel` more words for the kernel."""

    def __init__(self, policy: Optional[Path] = None, kernel: str = "enforcing=1") -> None:
        self.tree, self.disk = image.build(policy)
        self.uses = [image.use(self.tree), image.use(self.disk)]
        self.kernel = kernel
        self.scratch = tempfile.TemporaryDirectory(prefix="crane-vm-")
        self.folder = Path(self.scratch.name)
        self.port = free_port()
        self.process: Optional[subprocess.Popen[str]] = None

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.power_off_hard()
        self.scratch.cleanup()
        for descriptor in self.uses:
            os.close(descriptor)

    # --- power -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Powers on, and waits until systemd has nothing left to start."""
        overlay = self.folder / "disk.qcow2"
        if not overlay.exists():
            run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(self.disk), str(overlay)])
        kernel = next((self.tree / "boot").glob("vmlinuz-*"))
        words = f"root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 audit=1 security=selinux {self.kernel}"
        self.process = start(
            [
                *("setpriv", "--pdeathsig=KILL", "qemu-system-x86_64", "-nodefaults", "-display", "none"),
                *("-machine", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"),
                *("-smp", "2", "-m", str(MEMORY)),
                *("-kernel", str(kernel), "-initrd", str(self.tree / "boot/initramfs"), "-append", words),
                *("-drive", f"file={overlay},if=virtio,cache=unsafe"),
                *("-netdev", f"user,id=ssh,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"),
                *("-device", "virtio-net-pci,netdev=ssh,mac=02:00:00:00:02:01,romfile="),
                # a network on which nobody else is; a hub without a second port would keep what is sent
                *("-netdev", "user,id=lan,restrict=on"),
                *("-device", "virtio-net-pci,netdev=lan,mac=02:00:00:00:02:02,romfile="),
                *("-device", "virtio-rng-pci", "-serial", f"file:{self.folder}/console"),
                *("-monitor", f"unix:{self.folder}/monitor,server=on,wait=off"),
            ],
            stdout=subprocess.DEVNULL,
        )
        self.wait_booted()

    def wait_booted(self) -> None:
        told = "systemctl is-system-running"
        self.wait_until("it has booted", lambda: self.run(told, False).stdout in ("running\n", "degraded\n"))

    def power_off_hard(self) -> None:
        self._log_out()
        if self.process:
            kill_group(self.process)
            self.process.communicate()
            self.process = None

    def reboot(self) -> None:
        """In order; the next command is answered by the next boot."""
        before = self.boot_id()
        self.run("systemctl reboot", False)
        self.wait_rebooted(before)

    def boot_id(self) -> str:
        """Another one after each boot; "" while nobody answers."""
        return self.run("cat /proc/sys/kernel/random/boot_id", check=False).stdout

    def wait_rebooted(self, before: str) -> None:
        """Waits for another boot than that."""
        self.wait_until("it reboots", lambda: self.boot_id() not in ("", before))
        self.wait_booted()

    def save(self, name: str) -> None:
        """Remembers disk and memory as they are now."""
        self.monitor(f"savevm {name}")

    def restore(self, name: str) -> None:
        """Goes back to what save() remembered."""
        self._log_out()
        self.monitor(f"loadvm {name}")

    def _log_out(self) -> None:
        """Forgets the login: the machine's other end of it is about to go."""
        if (self.folder / "ssh").exists():
            argv = ["ssh", "-F", "none", "-o", f"ControlPath={self.folder}/ssh", "-O", "exit", "root@127.0.0.1"]
            run(argv, check=False)

    def monitor(self, command: str) -> None:
        """A line for qemu's own monitor. Raises AssertionError with what it complains of."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(f"{self.folder}/monitor")
            told = until_prompt(line)
            line.sendall(command.encode() + b"\n")
            told = until_prompt(line)
        assert "Error" not in told, f"{command}: {told}"

    # --- programs and files ----------------------------------------------------------------------------------------

    def run(
        self, command: Command, check: bool = True, timeout: float = 300, stdin: Optional[str] = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program (a sequence) or shell line (a string) as root who has logged in. Raises CommandFailed."""
        assert self.process is not None and self.process.poll() is None, f"the machine is off:\n{self.console()}"
        line = command if isinstance(command, str) else shlex.join(argv_of(command))
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "20",
            # one login for many commands: each takes a second of emulated cryptography
            "ControlMaster": "auto",
            "ControlPath": f"{self.folder}/ssh",
            "ControlPersist": "yes",
            "IdentityFile": f"{self.tree}/boot/key",
            "LogLevel": "ERROR",
            "ServerAliveInterval": "20",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        argv = ["ssh", "-F", "none", *words, "-p", str(self.port), "root@127.0.0.1", line]
        return run(argv, check=check, timeout=timeout, stdin=stdin, name=line)

    def write(self, path: str, content: str, mode: int = 0o644, owner: str = "root:root") -> None:
        """Writes a file with the label that the policy has for its path; folders are made as needed."""
        user, _, group = owner.partition(":")
        where = shlex.quote(path)
        self.run(
            f"install -D -m {mode:o} -o {user} -g {group} /dev/stdin {where} && restorecon -F {where}", stdin=content
        )

    def copy(self, folder: Path, where: str) -> None:
        """Copies a folder of this host."""
        pack = ["tar", "--create", "--file=-", f"--directory={folder}", "."]
        with subprocess.Popen(pack, stdout=subprocess.PIPE, env=ENVIRONMENT) as tar:
            assert tar.stdout
            data = tar.stdout.read()
        self.run(f"mkdir -p {where} && base64 --decode | tar --extract --directory={where}", stdin=encode(data))

    # --- what it tells ---------------------------------------------------------------------------------------------

    def wait_until(self, state: str, predicate: Callable[[], object], deadline: float = BOOT_DEADLINE) -> float:
        return waiting.wait_until(state, predicate, deadline, self.console)

    def console(self) -> str:
        with contextlib.suppress(OSError):
            return "\n".join((self.folder / "console").read_text(errors="replace").splitlines()[-40:])
        return ""


def encode(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


def until_prompt(line: socket.socket) -> str:
    told = b""
    deadline = time.monotonic() + 120
    while not told.endswith(b"(qemu) ") and time.monotonic() < deadline:
        told += line.recv(65536)
    return told.decode(errors="replace")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
