"""The storage heartbeat lives beside cranectld in its unit, and makes it let go where storage, link or address are
lost, or where the daemon itself hangs.

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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Optional

from crane_keepalived import failures, lock, netlink, outside, unit
from crane_keepalived.ear import SILENT_BEATS
from crane_keepalived.probe import Probe, Pulse
from crane_keepalived.settings import Settings


@dataclass(frozen=True)
class Daemon:
    """The cranectld beside which the heartbeat lives: its process, a descriptor of the file that it locks itself, its
    node's name, the root of the node's files.
    """

    pid: int
    pidfd: int
    own_lock: int
    node: str
    root: Path


class Heartbeat:
    """What the heartbeat knows; times are CLOCK_MONOTONIC seconds, so that nobody's clock can move the service."""

    def __init__(self, held: lock.StorageLock, settings: Settings, daemon: Daemon) -> None:
        self._held = held
        self._settings = settings
        self._daemon = daemon
        self._reporter = unit.Reporter()
        self._complaint = ""
        self._address_here = False
        self._address_seen = time.monotonic()
        self._lasts_at = time.monotonic() + failures.LASTING
        self._probe = Probe(settings.listen_port, settings.alive_file)
        self._pulse = Pulse(daemon.pid)
        self._guard = outside.Guard(settings.cranectld_lock, daemon.own_lock)
        self._wish = self._read_wish()
        self._wished_since, self._wish_changed = 0.0, float("-inf")

    def beat(self) -> None:
        """Prove to the server that we live, and to systemd that the server answered."""
        started = time.monotonic()
        try:
            self._held.hold(self._daemon.node)
            missing, unguarded = self._missing(), self._unguarded()
            self._complaint = missing or unguarded
        except lock.LockError as error:
            # another file stands in its place, and another node may hold that one
            self._let_go(str(error), signal.SIGKILL)
        except OSError as error:
            if error.errno in (errno.EIO, errno.ESTALE):  # what NFS answers when the lock is no longer ours
                self._let_go(f"the storage lock is lost: {error}", signal.SIGKILL)
            unit.log(f"heartbeat: {error}")
        else:
            ping(self._settings, self._status(), time.monotonic() - started)
            self._heed_wish()
        if time.monotonic() >= self._lasts_at:
            self._lasts_at = float("inf")
            failures.lasts(self._daemon.root)

    def look_at_network(self) -> float:
        """A holder whom no client reaches lets go, so that another node can serve. Returns when it will."""
        interface, address = self._settings.interface, self._settings.addresses[0]
        link_is_up, was_here = True, self._address_here
        try:
            link_is_up = netlink.link_is_up(interface)
            self._address_here = netlink.has_address(interface, address)
        except OSError as error:  # a kernel short of memory, say: no reason to move anything
            unit.log(f"heartbeat: {error}")
        if not link_is_up:
            failures.is_not_to_blame(self._daemon.root)
            self._let_go(f"the link of {interface} is down")
        if self._address_here or was_here:  # missed from the look on that misses it: the one before may be long ago
            self._address_seen = time.monotonic()
        give_up = self._address_seen + self._settings.address_timeout
        if time.monotonic() >= give_up:
            self._let_go(f"{address} did not come to {interface} within {self._settings.address_timeout:g} s")
        self._reporter.say(self._status())
        return float("inf") if self._address_here else give_up

    def look_at_daemon(self) -> None:
        """A daemon that hangs keeps its lock and its port, and who connects waits for ever: let another node serve."""
        if self._pulse.stands_still():
            self._let_go("cranectld stands still, stopped by a signal or a debugger", signal.SIGKILL)
        if self._settings.probe_failures:
            self._ask_port()

    def _ask_port(self) -> None:
        try:
            self._probe.ask()
        except OSError as error:  # no descriptor left, say: nothing is known of the daemon then
            unit.log(f"heartbeat: port {self._settings.listen_port}: {error}")
        if self._probe.failures >= self._settings.probe_failures:
            waited = self._probe.failures * self._settings.probe_interval
            reason = f"cranectld has taken in nobody at port {self._settings.listen_port} for {waited:g} s"
            self._let_go(reason, signal.SIGKILL)

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
        except PermissionError:
            # nor can cranectld's user on another node
            return (
                f"{self._held.path} cannot be opened any more: no other node can take over; give it to cranectld's user"
            )
        return ""

    def _unguarded(self) -> str:
        path = self._settings.cranectld_lock
        try:
            if self._guard.keeps_out():
                return ""
        except OSError as error:
            return f"{path}: {error.strerror}: a cranectld that is started by hand may run beside this one"
        return self._let_go(f"a cranectld outside this pair has locked {path}", signal.SIGKILL)

    def _heed_wish(self) -> None:
        if not self._settings.failback or self._settings.role != "backup":
            return
        wish, now = self._read_wish(), time.monotonic()
        if wish != self._wish:
            if now - self._wish_changed > SILENT_BEATS * self._settings.heartbeat_interval:
                self._wished_since = now
            self._wish, self._wish_changed = wish, now
            if wish and now - self._wished_since >= self._settings.failback_delay:
                failures.ends_well(self._daemon.root)
                self._let_go(f"{wish.node} is well again and has the service back (Failback)", why="")

    def _read_wish(self) -> Optional[lock.Mark]:
        try:
            return lock.read_wish(self._settings.ha_lock)
        except (OSError, lock.LockError):
            return None

    def _let_go(self, reason: str, how: signal.Signals = signal.SIGTERM, why: str = "fault") -> NoReturn:
        """End cranectld, and with it this process; systemd restarts the unit, which queues. ``why`` picks the hooks."""
        with suppress(OSError):
            unit.close_gate(self._daemon.root, why)
        self._reporter.say(f"lets go of the storage lock: {reason}")
        signal.pidfd_send_signal(self._daemon.pidfd, how)
        ended = select.poll()
        ended.register(self._daemon.pidfd, select.POLLIN)
        if not ended.poll(self._settings.stop_timeout * 1000):
            signal.pidfd_send_signal(self._daemon.pidfd, signal.SIGKILL)
            ended.poll()
        os._exit(0)


def ping(settings: Settings, status: str, age: float) -> None:
    """Ping systemd's watchdog for a proof that is ``age`` seconds old: the lease was renewed then, not now.

    The watchdog counts from the first ping on: a node in the queue has no heartbeat yet.
    """
    limit = max(settings.watchdog_timeout - age, 0.001)
    unit.tell_systemd(status, WATCHDOG_USEC=int(limit * 1_000_000), WATCHDOG=1)


def run(held: lock.StorageLock, settings: Settings, daemon: Daemon) -> None:
    """Beat until the daemon has ended. Raises OSError."""
    heart = Heartbeat(held, settings, daemon)
    changes = netlink.Monitor()
    wakes = select.poll()
    wakes.register(daemon.pidfd, select.POLLIN)
    wakes.register(changes.fileno(), select.POLLIN)
    next_beat = next_look = 0.0
    while True:
        if time.monotonic() >= next_beat:
            next_beat = time.monotonic() + settings.heartbeat_interval
            heart.beat()
        if time.monotonic() >= next_look:
            next_look = time.monotonic() + settings.probe_interval
            heart.look_at_daemon()
        gives_up = heart.look_at_network()
        ready = [descriptor for descriptor, _ in wakes.poll(_until(min(next_beat, next_look, gives_up)))]
        if daemon.pidfd in ready:
            return
        changes.drain()


def _until(moment: float) -> float:
    return max(0.0, moment - time.monotonic()) * 1000
