"""The storage heartbeat, as it runs beside a daemon: storage that is lost, slow or replaced, and failback."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable

import pytest

from crane_keepalived import heartbeat, lock, netlink, unit
from crane_keepalived.settings import load

from .queue_node import HANGS, LOST, SLOW, STUBBORN, Node, wait_until


def test_lets_go_when_the_address_does_not_come(nodes: Callable[..., Node]) -> None:
    # the next heartbeat is far away: the address has a clock of its own
    node = nodes(ADDRESSES="203.0.113.9", ADDRESS_TIMEOUT="0.5", HEARTBEAT_INTERVAL="60")
    node.start()
    wait_until("the node serves", node.serves)
    assert node.wait_for_end() == -signal.SIGTERM
    assert node.said("lets go of the storage lock: 203.0.113.9 did not come to lo within 0.5 s")


class Network:
    """Stands in for netlink, and for the clock: what the heartbeat sees when it looks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
        self.now, self.here, self.fails = 1000.0, True, False
        monkeypatch.setattr(netlink, "has_address", self.has_address)
        monkeypatch.setattr(netlink, "link_is_up", self.link_is_up)
        monkeypatch.setattr(heartbeat, "time", self)
        monkeypatch.setattr(heartbeat.Heartbeat, "_let_go", lambda *_: pytest.fail(f"lets go at {self.now}"))
        settings = load(node.root)
        held = lock.StorageLock(settings.ha_lock, settings.cluster_id)
        daemon = heartbeat.Daemon(os.getpid(), -1, held.descriptor, "node1", node.root)
        self.heart = heartbeat.Heartbeat(held, settings, daemon)

    def monotonic(self) -> float:
        return self.now

    def has_address(self, *_: str) -> bool:
        return self.here

    def link_is_up(self, _interface: str) -> bool:
        if self.fails:
            raise OSError(errno.ENFILE, "Too many open files in system")
        return True


def test_an_address_is_missed_from_the_look_that_misses_it(
    nodes: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(monkeypatch, nodes(ADDRESS_TIMEOUT="3"))
    assert network.heart.look_at_network() == float("inf")
    network.now, network.here = 1006.0, False  # netlink wakes us; the last look was at the last beat
    assert network.heart.look_at_network() == 1009.0
    network.now = 1008.9
    assert network.heart.look_at_network() == 1009.0
    network.here = True
    assert network.heart.look_at_network() == float("inf")


def test_a_kernel_that_cannot_tell_moves_nothing(nodes: Callable[..., Node], monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, nodes())
    network.heart.look_at_network()
    network.fails = True
    network.now += 60
    assert network.heart.look_at_network() == float("inf")


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


def test_kills_a_daemon_that_stands_still_for_two_looks(nodes: Callable[..., Node]) -> None:
    node = nodes(PROBE_INTERVAL="0.5")  # and PROBE_FAILURES=0: nobody asks at the port
    node.start()
    wait_until("the node serves", node.serves)
    os.kill(node.pid, signal.SIGSTOP)
    assert node.wait_for_end() == -signal.SIGKILL
    assert node.said("lets go of the storage lock: cranectld stands still, stopped by a signal")


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
    assert (backup.root / unit.GATE).read_text() == "0\n"  # no fault


def test_without_failback_the_service_stays(nodes: Callable[..., Node]) -> None:
    backup, master = nodes(ROLE="backup", FAILBACK_DELAY="0"), nodes()
    backup.start()
    wait_until("the backup serves", backup.serves)
    master.start()
    wait_until("the master waits", lambda: master.said("standby: waits for the storage lock"))
    before = lock.read_holder(backup.storage / "ha.lock")
    wait_until("three beats", lambda: (lock.read_holder(backup.storage / "ha.lock") or before).beat >= before.beat + 3)  # type: ignore[union-attr]
    assert backup.serves()


def test_failback_without_delay_heeds_no_wish_of_the_past(nodes: Callable[..., Node]) -> None:
    backup = nodes(ROLE="backup", FAILBACK="yes", FAILBACK_DELAY="0")
    path = backup.storage / "ha.lock"
    lock.write_wish(path, lock.Mark("node1", 7))
    backup.start()
    wait_until("the backup serves", backup.serves)
    wait_until("five beats", lambda: (mark := lock.read_holder(path)) is not None and mark.beat > 7)
    assert backup.serves()
    lock.write_wish(path, lock.Mark("node1", 8))
    assert backup.wait_for_end() == -signal.SIGTERM


def test_a_lock_that_the_server_took_away_kills_the_daemon(nodes: Callable[..., Node]) -> None:
    node = nodes()
    node.start(storage=LOST)
    assert node.wait_for_end() == -signal.SIGKILL
    assert node.said("the storage lock is lost")
    assert (node.root / unit.GATE).read_text() == "0 fault\n"


def test_a_storage_that_hangs_is_proof_of_nothing(nodes: Callable[..., Node]) -> None:
    node = nodes()
    node.start(storage=HANGS)
    wait_until("the node serves", node.serves)
    wait_until("the beat that hangs", lambda: node.beats() == 4)
    pings = node.pings()
    began = time.monotonic()
    wait_until("ten heartbeat intervals pass", lambda: time.monotonic() - began > 2)
    assert node.pings() == pings


def test_a_storage_that_is_slow_is_not_a_lost_one(nodes: Callable[..., Node]) -> None:
    node = nodes()
    node.start(storage=SLOW)
    wait_until("it is pinged for, at twice the interval", lambda: node.pings() > 6)
    assert node.said("WATCHDOG_USEC=45")  # 5 s less the 0.4 s that the proof is old
