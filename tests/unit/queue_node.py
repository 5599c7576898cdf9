"""A node's files and its unit, for the tests of queue-for-lock and its heartbeat: real processes and a real flock."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Optional

from crane_keepalived import failures, lock, unit

SOURCE = Path(lock.__file__).parents[1]
# the node's own question to systemd has no answer on a machine without keepalived.service
DRIVER = (
    "import errno, sys, time; from pathlib import Path; from crane_keepalived import lock, queue_for_lock as q;"
    "q._keepalived_runs = lambda: True; q._was_asked = lambda: False;"
    "{}; sys.exit(q.main(sys.argv[1:], Path(sys.argv[1])))"
)
# a storage that fails at the beat number in {}: the first two are queue-for-lock's own
STORAGE = (
    "real = lock.StorageLock.hold; exec('def hold(self, node):\\n    real(self, node)\\n    if self._beat > 3: {}');"
    "lock.StorageLock.hold = hold"
)
LOST = STORAGE.format('raise OSError(errno.EIO, "Input/output error")')
HANGS = STORAGE.format("time.sleep(600)")
SLOW = STORAGE.format("time.sleep(0.4)")
DAEMON = ["/bin/sleep", "600"]
STUBBORN = [sys.executable, "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"]


def wait_until(what: str, question: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, f"not so after {seconds} s: {what}"
        time.sleep(0.01)


class Node:
    """One node's files and its unit; two nodes share the storage folder."""

    def __init__(self, root: Path, storage: Path, **settings: str) -> None:
        self.root, self.storage = root, storage
        self.process: Optional[subprocess.Popen[bytes]] = None
        (root / "etc/crane-keepalived").mkdir(parents=True)
        (root / "run/crane-keepalived").mkdir(parents=True)
        for state in (unit.GATE, failures.RECORD):
            (root / state).write_text("0\n")
        values = {
            "ROLE": "master", "CLUSTER_ID": "1a2b3c4d", "INTERFACE": "lo", "ADDRESSES": "127.0.0.1",
            "HA_LOCK": f"{storage}/ha.lock", "CRANECTLD_LOCK": f"{storage}/cranectld.lock",
            "ALIVE_FILE": f"{root}/cranectld.alive", "HEARTBEAT_INTERVAL": "0.2", "WATCHDOG_TIMEOUT": "5",
            "STOP_TIMEOUT": "0.5", "ADDRESS_TIMEOUT": "3", "FAILBACK": "no", "FAILBACK_DELAY": "1",
            **settings,
        }  # fmt: skip
        (root / "etc/crane-keepalived/settings").write_text("".join(f"{k}='{v}'\n" for k, v in values.items()))
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(root / "notify"))
        self.notified.setblocking(False)
        self.messages = ""

    def start(self, command: list[str] = DAEMON, storage: str = "pass") -> None:
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "NOTIFY_SOCKET": str(self.root / "notify")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER.format(storage), str(self.root), *command],
            env=environment, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def serves(self) -> bool:
        comm = Path(f"/proc/{self.pid}/cmdline").read_text()
        return unit.gate_holder(self.root) == self.pid and "crane_keepalived" not in comm

    def said(self, text: str) -> bool:
        while True:
            try:
                self.messages += self.notified.recv(4096).decode() + "\n"
            except BlockingIOError:
                return text in self.messages

    def pings(self) -> int:
        """How often systemd's watchdog was pinged."""
        self.said("")
        return self.messages.count("WATCHDOG=1")

    def beats(self) -> int:
        """The holder's count of beats."""
        holder = lock.read_holder(self.storage / "ha.lock")
        return holder.beat if holder else 0

    def wait_for_end(self) -> int:
        assert self.process
        return self.process.wait(10)

    def stop(self) -> None:
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.notified.close()


def lock_is_free(node: Node) -> bool:
    return subprocess.run(["flock", "--nonblock", node.storage / "ha.lock", "true"]).returncode == 0
