"""queue-for-lock as it runs on a node: real processes, real flock, a real notify socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from crane_keepalived import lock, unit

from .queue_node import DAEMON, DRIVER, SOURCE, STUBBORN, Node, lock_is_free, wait_until


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


def test_a_holder_that_is_heard_of_no_more_is_said_to_be_silent(nodes: Callable[..., Node]) -> None:
    node = nodes()
    dead = lock.StorageLock(node.storage / "ha.lock", "1a2b3c4d")
    dead.acquire()  # as an NFS server keeps it, until the lease of a node without power is over
    dead.hold("node9")
    node.start()
    wait_until("the node waits", lambda: node.said("standby: waits for the storage lock, held by node9"))
    wait_until("it notices the silence", lambda: node.said("but that node is silent"))
    dead.close()
    wait_until("the node serves", node.serves)


def test_a_holder_that_beats_is_not_silent(nodes: Callable[..., Node]) -> None:
    # three missed beats are silence: seconds, so that a busy machine does not miss them
    first, second = nodes(HEARTBEAT_INTERVAL="1"), nodes(HEARTBEAT_INTERVAL="1")
    first.start()
    wait_until("the first serves", first.serves)
    second.start()
    wait_until("the second waits", lambda: second.said("standby: waits for the storage lock"))
    beats = first.beats()
    wait_until("four beats more", lambda: first.beats() >= beats + 4)
    assert not second.said("silent")


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


def test_a_lock_file_made_again_gives_its_former_holder_time_to_notice(nodes: Callable[..., Node]) -> None:
    first, second = nodes(HEARTBEAT_INTERVAL="1"), nodes(HEARTBEAT_INTERVAL="1")
    path = first.storage / "ha.lock"
    first.start()
    wait_until("the first serves", first.serves)
    # all is gone, cranectld's own lock too: nothing else would keep the second from starting at once
    path.unlink()
    (first.storage / "cranectld.lock").unlink(missing_ok=True)
    lock.create(path, "1a2b3c4d", again=True)
    second.start()
    wait_until("the second holds the new file", lambda: second.said("for a holder of the lost lock file to notice"))
    assert unit.gate_holder(second.root) is None
    assert first.wait_for_end() == -signal.SIGKILL
    assert unit.gate_holder(second.root) is None
    wait_until("the second serves", second.serves)


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


def test_a_node_not_set_up_says_so(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", DRIVER.format("pass"), str(tmp_path), *DAEMON],
        env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.endswith("run crane-ha-setup\n")
    assert len(ended.stderr.splitlines()) == 1
