"""queue-for-lock and its heartbeat as they run on a node: real processes, real flock, a real notify socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Optional

import pytest

from crane_keepalived import lock, unit

SOURCE = Path(lock.__file__).parents[1]
# the node's own question to systemd has no answer on a machine without keepalived.service
DRIVER = (
    "import sys; from pathlib import Path; from crane_keepalived import queue_for_lock as q;"
    "q._keepalived_runs = lambda: True; sys.exit(q.main(sys.argv[1:], Path(sys.argv[1])))"
)
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
        (root / unit.GATE).write_text("0\n")
        values = {
            "ROLE": "master", "CLUSTER_ID": "1a2b3c4d", "INTERFACE": "lo", "ADDRESSES": "127.0.0.1",
            "LISTEN_PORT": "10011", "HA_LOCK": f"{storage}/ha.lock", "CRANECTLD_LOCK": f"{storage}/cranectld.lock",
            "ALIVE_FILE": f"{root}/cranectld.alive", "HEARTBEAT_INTERVAL": "0.2", "WATCHDOG_TIMEOUT": "5",
            "STOP_TIMEOUT": "0.5", "ADDRESS_TIMEOUT": "3", "FAILBACK": "no", "FAILBACK_DELAY": "1",
            **settings,
        }  # fmt: skip
        (root / "etc/crane-keepalived/settings").write_text("".join(f"{k}='{v}'\n" for k, v in values.items()))
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(str(root / "notify"))
        self.notified.setblocking(False)
        self.messages = ""

    def start(self, command: list[str] = DAEMON) -> None:
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "NOTIFY_SOCKET": str(self.root / "notify")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(self.root), *command],
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

    def wait_for_end(self) -> int:
        assert self.process
        return self.process.wait(10)

    def stop(self) -> None:
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.notified.close()


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    made: list[Node] = []
    storage = tmp_path / "shared"
    lock.create(storage / "ha.lock", "1a2b3c4d")

    def make(**settings: str) -> Node:
        root = tmp_path / f"node{len(made) + 1}"
        made.append(Node(root, storage, **settings))
        return made[-1]

    yield make
    for node in made:
        node.stop()


def lock_is_free(node: Node) -> bool:
    return subprocess.run(["flock", "--nonblock", node.storage / "ha.lock", "true"]).returncode == 0


def test_becomes_the_daemon_with_lock_gate_and_watchdog(nodes: Callable[..., Node]) -> None:
    node = nodes()
    seen = node.root / "environment"
    node.start(["/bin/sh", "-c", f'echo "${{NOTIFY_SOCKET-none}}" >"{seen}"; exec sleep 600'])
    wait_until("the node serves", node.serves)
    assert not lock_is_free(node)
    wait_until("the daemon's environment is seen", lambda: seen.exists() and seen.read_text() == "none\n")
    wait_until("systemd was told", lambda: node.said("WATCHDOG_USEC=5000000"))
    wait_until("the status names the address", lambda: node.said("has the address"))
    holder = lock.read_holder(node.storage / "ha.lock")
    assert holder and holder.node == socket.gethostname()


def test_the_daemon_finds_no_children_that_it_never_made(nodes: Callable[..., Node]) -> None:
    node = nodes()
    node.start()
    wait_until("the node serves", node.serves)
    assert Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text() == ""


def test_the_second_waits_and_takes_over_when_the_first_is_killed(nodes: Callable[..., Node]) -> None:
    first, second = nodes(), nodes()
    first.start()
    wait_until("the first serves", first.serves)
    second.start()
    wait_until(
        "the second waits", lambda: second.said(f"standby: waits for the storage lock, held by {socket.gethostname()}")
    )
    assert unit.gate_holder(second.root) is None
    os.kill(first.pid, signal.SIGKILL)
    wait_until("the second serves", second.serves)


def test_the_heartbeat_does_not_keep_the_lock_of_a_dead_daemon(nodes: Callable[..., Node]) -> None:
    node = nodes()
    node.start()
    wait_until("the node serves", node.serves)
    os.kill(node.pid, signal.SIGKILL)
    node.wait_for_end()
    wait_until("the lock is free", lambda: lock_is_free(node), 2)


def test_missing_is_not_free(nodes: Callable[..., Node]) -> None:
    node = nodes()
    path = node.storage / "ha.lock"
    path.unlink()
    node.start()
    wait_until(
        "the node says why it waits", lambda: node.said(f"cannot take over: waits for the storage: {path} is missing")
    )
    assert not path.exists()
    lock.create(path, "1a2b3c4d")
    wait_until("the node serves", node.serves)


def test_another_clusters_storage_is_refused(nodes: Callable[..., Node]) -> None:
    node = nodes(CLUSTER_ID="00000000")
    node.start()
    wait_until("the node says why it waits", lambda: node.said("is the lock of cluster 1a2b3c4d"))
    assert lock_is_free(node)


def test_a_lock_file_replaced_while_queueing_is_not_taken(nodes: Callable[..., Node]) -> None:
    first, second = nodes(), nodes()
    first.start(STUBBORN)
    wait_until("the first serves", first.serves)
    second.start()
    wait_until("the second waits", lambda: second.said("standby: waits for the storage lock"))
    (first.storage / "ha.lock").unlink()
    os.kill(first.pid, signal.SIGKILL)
    wait_until("the second says why it waits", lambda: second.said("ha.lock is missing"))
    assert unit.gate_holder(second.root) is None


def test_waits_for_a_cranectld_outside_the_pair(nodes: Callable[..., Node]) -> None:
    node = nodes()
    (node.storage / "cranectld.lock").touch()
    stray = subprocess.Popen(["flock", node.storage / "cranectld.lock", "/bin/sleep", "600"], start_new_session=True)
    try:
        wait_until(
            "the stray daemon holds its lock",
            lambda: subprocess.run(["flock", "--nonblock", node.storage / "cranectld.lock", "true"]).returncode == 1,
        )
        node.start()
        wait_until("the node says why it waits", lambda: node.said("cranectld outside this pair"))
        assert unit.gate_holder(node.root) is None
    finally:
        os.killpg(stray.pid, signal.SIGKILL)
        stray.wait()
    wait_until("the node serves", node.serves)


def test_removes_a_stale_alive_file(nodes: Callable[..., Node]) -> None:
    node = nodes()
    alive = node.root / "cranectld.alive"
    alive.touch()
    node.start()
    wait_until("the node serves", node.serves)
    assert not alive.exists()


def test_ends_at_once_when_stopped_in_the_queue(nodes: Callable[..., Node]) -> None:
    first, second = nodes(), nodes()
    first.start()
    wait_until("the first serves", first.serves)
    second.start()
    wait_until("the second waits", lambda: second.said("standby: waits for the storage lock"))
    os.kill(second.pid, signal.SIGTERM)
    assert second.wait_for_end() == -signal.SIGTERM


def test_lets_go_when_the_address_does_not_come(nodes: Callable[..., Node]) -> None:
    # the next heartbeat is far away: the address has a clock of its own
    node = nodes(ADDRESSES="203.0.113.9", ADDRESS_TIMEOUT="0.5", HEARTBEAT_INTERVAL="60")
    node.start()
    wait_until("the node serves", node.serves)
    assert node.wait_for_end() == -signal.SIGTERM
    assert node.said("lets go of the storage lock: 203.0.113.9 did not come to lo within 0.5 s")


def test_kills_a_daemon_that_does_not_let_go(nodes: Callable[..., Node]) -> None:
    node = nodes(ADDRESSES="203.0.113.9", ADDRESS_TIMEOUT="1")
    node.start(STUBBORN)
    assert node.wait_for_end() == -signal.SIGKILL


def test_kills_the_daemon_whose_lock_file_was_replaced(nodes: Callable[..., Node]) -> None:
    node = nodes()
    node.start()
    wait_until("the node serves", node.serves)
    (node.storage / "ha.lock").unlink()
    lock.create(node.storage / "ha.lock", "1a2b3c4d")
    assert node.wait_for_end() == -signal.SIGKILL


def test_serves_on_without_its_lock_file_and_says_so(nodes: Callable[..., Node]) -> None:
    node = nodes()
    node.start()
    wait_until("the node serves", node.serves)
    (node.storage / "ha.lock").unlink()
    wait_until(
        "the node complains",
        lambda: node.said("is missing: no other node can take over; run crane-ha-setup --create-lock"),
    )
    assert node.serves()


def test_failback_hands_over_to_the_node_that_waits_for_it(nodes: Callable[..., Node]) -> None:
    backup = nodes(ROLE="backup", FAILBACK="yes", FAILBACK_DELAY="1")
    master = nodes(FAILBACK="yes")
    backup.start()
    wait_until("the backup serves", backup.serves)
    began = time.monotonic()
    master.start()
    wait_until("the master serves", master.serves)
    assert time.monotonic() - began >= 1
    assert backup.said("has the service back (Failback)")


def test_without_failback_the_service_stays(nodes: Callable[..., Node]) -> None:
    backup, master = nodes(ROLE="backup", FAILBACK_DELAY="0"), nodes()
    backup.start()
    wait_until("the backup serves", backup.serves)
    master.start()
    wait_until("the master waits", lambda: master.said("standby: waits for the storage lock"))
    before = lock.read_holder(backup.storage / "ha.lock")
    wait_until("three beats", lambda: (lock.read_holder(backup.storage / "ha.lock") or before).beat >= before.beat + 3)  # type: ignore[union-attr]
    assert backup.serves()


def test_a_node_not_set_up_says_so(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", DRIVER, str(tmp_path), *DAEMON],
        env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.endswith("run crane-ha-setup\n")
    assert len(ended.stderr.splitlines()) == 1
