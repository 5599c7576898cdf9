"""The storage heartbeat: lives beside cranectld in its unit, makes it let go where storage, link or address are lost.

It writes through the very descriptor that holds the lock, and pings systemd's watchdog only when that write has reached
the storage. An NFSv4 server frees a silent client's lock when the lease ends, so the daemon must be dead by then: the
watchdog's SIGKILL comes after a third of the lease. It ends with cranectld, whose process it watches by a pidfd.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from typing import Optional

from crane_keepalived import lock, netlink, unit
from crane_keepalived.settings import Settings

# a waiting node writes its wish once a heartbeat interval; three missed, and it is gone
_WISH_BEATS = 3


class Heartbeat:
    """What the heartbeat knows; times are CLOCK_MONOTONIC seconds, so that nobody's clock can move the service."""

    def __init__(self, held: lock.StorageLock, settings: Settings, cranectld: int, node: str) -> None:
        self._held = held
        self._settings = settings
        self._cranectld = cranectld
        self._node = node
        self._reporter = unit.Reporter()
        self._complaint = ""
        self._address_here = False
        self._address_seen = time.monotonic()
        self._wish: Optional[lock.Mark] = None
        self._wished_since = self._wish_changed = 0.0

    def beat(self) -> None:
        """Prove to the server that we live, and to systemd that the server answered."""
        started = time.monotonic()
        try:
            self._held.hold(self._node)
            self._complaint = self._missing()
        except lock.LockError as error:
            # another file stands in its place, and another node may hold that one
            self._let_go(str(error), signal.SIGKILL)
        except OSError as error:
            if error.errno in (errno.EIO, errno.ESTALE):  # what NFS answers when the lock is no longer ours
                self._let_go(f"the storage lock is lost: {error}", signal.SIGKILL)
            print(f"heartbeat: {error}", flush=True)
        else:
            if time.monotonic() - started < self._settings.heartbeat_interval:
                ping(self._settings, self._status())
            self._heed_wish()

    def look_at_network(self) -> float:
        """A holder whom no client reaches lets go, so that another node can serve. Returns by when to look again."""
        interface, address = self._settings.interface, self._settings.addresses[0]
        if not netlink.link_is_up(interface):
            self._let_go(f"the link of {interface} is down")
        try:
            self._address_here = netlink.has_address(interface, address)
        except OSError as error:  # a kernel short of memory, say: no reason to move anything
            print(f"heartbeat: {error}", flush=True)
        if self._address_here:
            self._address_seen = time.monotonic()
        give_up = self._address_seen + self._settings.address_timeout
        if time.monotonic() >= give_up:
            self._let_go(f"{address} did not come to {interface} within {self._settings.address_timeout:g} s")
        self._reporter.say(self._status())
        return float("inf") if self._address_here else give_up

    def _status(self) -> str:
        if self._complaint:
            return f"active: holds the storage lock, but {self._complaint}"
        return f"active: holds the storage lock, {'has' if self._address_here else 'waits for'} the address"

    def _missing(self) -> str:
        # nobody can lock a file that is not there, so serving on is safe; but no other node could take over
        try:
            self._held.verify()
        except lock.LockMissing as error:
            return f"{error}: no other node can take over; run crane-ha-setup --create-lock"
        return ""

    def _heed_wish(self) -> None:
        if not self._settings.failback or self._settings.role != "backup":
            return
        try:
            wish = lock.read_wish(self._settings.ha_lock)
        except (OSError, lock.LockError):
            return
        now = time.monotonic()
        if wish != self._wish:
            if now - self._wish_changed > _WISH_BEATS * self._settings.heartbeat_interval:
                self._wished_since = now
            self._wish, self._wish_changed = wish, now
            if wish and now - self._wished_since >= self._settings.failback_delay:
                self._let_go(f"{wish.node} is well again and has the service back (Failback)")

    def _let_go(self, reason: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End cranectld, and with it this process; systemd restarts the unit, which queues again."""
        self._reporter.say(f"lets go of the storage lock: {reason}")
        signal.pidfd_send_signal(self._cranectld, how)
        ended = select.poll()
        ended.register(self._cranectld, select.POLLIN)
        if not ended.poll(self._settings.stop_timeout * 1000):
            signal.pidfd_send_signal(self._cranectld, signal.SIGKILL)
            ended.poll()
        os._exit(0)


def ping(settings: Settings, status: str) -> None:
    """Ping systemd's watchdog, which counts from the first ping on: a node in the queue has no heartbeat yet."""
    unit.tell_systemd(status, WATCHDOG_USEC=int(settings.watchdog_timeout * 1_000_000), WATCHDOG=1)


def run(held: lock.StorageLock, settings: Settings, cranectld: int, node: str) -> None:
    """Beat until the process behind the pidfd ``cranectld`` has ended. Raises OSError."""
    heart = Heartbeat(held, settings, cranectld, node)
    changes = netlink.Monitor()
    wakes = select.poll()
    wakes.register(cranectld, select.POLLIN)
    wakes.register(changes.fileno(), select.POLLIN)
    next_beat = 0.0
    while True:
        if time.monotonic() >= next_beat:
            next_beat = time.monotonic() + settings.heartbeat_interval
            heart.beat()
        next_look = heart.look_at_network()
        ready = [descriptor for descriptor, _ in wakes.poll(_until(min(next_beat, next_look)))]
        if cranectld in ready:
            return
        changes.drain()


def _until(moment: float) -> float:
    return max(0.0, moment - time.monotonic()) * 1000
