"""queue-for-lock: what systemd starts as cranectld.service on every node.

It waits for its turn at the storage lock, opens the gate that brings the address here, and becomes cranectld by exec.
The lock's descriptor is inherited: the kernel frees the lock when cranectld has ended, and not a moment earlier.

Nothing here runs as root, and nothing is decided in time: everything that can block, blocks in this unit alone.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from crane_keepalived import failures, heartbeat, lock, netlink, outside, unit
from crane_keepalived.ear import Ear
from crane_keepalived.settings import Settings, SettingsError, load

# how often a node that cannot queue looks whether it can: its peer serves meanwhile, or nobody can
_PAUSE = 0.5


def main(argv: list[str], root: Path = Path("/")) -> int:
    """Become ``argv[1:]`` once the lock is held. Returns only on failure: 1, or 2 for a node that is not set up."""
    try:
        settings = load(root)
        unit.close_gate(root)
        _rest(settings, root)
        queue(settings, argv[1:], root)
    except (FileNotFoundError, SettingsError) as error:
        print(f"queue-for-lock: {error}; run crane-ha-setup", file=sys.stderr)
        return 2
    except (OSError, lock.LockError) as error:
        print(f"queue-for-lock: {error}", file=sys.stderr)
        return 1
    return 0


def _rest(settings: Settings, root: Path) -> None:
    """A cranectld that failed here again and again leaves the queue to the other node for a while."""
    if not failures.is_known(root):
        return
    failed = failures.settle(root, _was_asked())
    seconds = failures.pause(failed, settings.restart_pause)
    if seconds:
        what = f"cranectld failed here {failed} times in a row: queues again after {seconds:g} s"
        unit.Reporter().say(f"standby, cannot take over: {what}, or at once by systemctl restart cranectld")
        ear = Ear(settings)
        over = time.monotonic() + seconds
        while time.monotonic() < over and not ear.misses(failures.LASTING):
            time.sleep(min(settings.heartbeat_interval, max(0.0, over - time.monotonic())))


def _was_asked() -> bool:
    """Did somebody start the unit? systemd counts its own restarts since then."""
    ask = ["/usr/bin/systemctl", "show", "--property=NRestarts", "--value", "cranectld.service"]
    return subprocess.run(ask, check=False, stdout=subprocess.PIPE).stdout.strip() in (b"", b"0")


def queue(settings: Settings, command: list[str], root: Path) -> None:
    """Hold the lock, open the gate, become cranectld. Raises OSError and LockError."""
    reporter = unit.Reporter()
    held = _take_turn(settings, reporter)
    node = socket.gethostname()
    if held.replaces_another():
        # Who still holds the lost file learns of this one at its next beat, and kills its daemon. One that does not
        # beat, for its storage stalls or it is letting go, is dead by then (tests/model: less can be two daemons).
        seconds = settings.watchdog_timeout + settings.stop_timeout + settings.heartbeat_interval
        reporter.say(f"holds the storage lock, waits {seconds:g} s for a holder of the lost lock file to notice")
        time.sleep(seconds)
        held.stands_alone()
    held.hold(node)
    own = outside.wait_for_stray(settings.cranectld_lock, reporter)
    held.verify()  # and that this is still the file, after whatever we waited for
    held.hold(node)  # the server's word that the lock is still ours
    settings.alive_file.unlink(missing_ok=True)  # a dead daemon's: the lock is ours, so nobody is alive
    pid = os.getpid()
    failures.begins(root, pid)
    unit.open_gate(pid, root)
    cranectld = heartbeat.Daemon(pid, os.pidfd_open(pid), own, node, root)
    _detach(lambda: heartbeat.run(held, settings, cranectld))
    heartbeat.ping(settings, "active: holds the storage lock", 0)
    os.set_inheritable(held.descriptor, True)
    environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    os.execve(command[0], command, environment)


def _take_turn(settings: Settings, reporter: unit.Reporter) -> lock.StorageLock:
    while True:
        try:
            _require_link(settings)
            _require_keepalived()
            return _lock(settings)
        except _CannotServe as missing:
            waits_for = str(missing)
        except (OSError, lock.LockError) as error:
            waits_for = f"the storage: {error}"
        reporter.say(f"standby, cannot take over: waits for {waits_for}")
        time.sleep(_PAUSE)


def _lock(settings: Settings) -> lock.StorageLock:
    """Sleep in the queue, and look again on waking: the file may have been replaced meanwhile, the link be gone."""
    candidate = lock.StorageLock(settings.ha_lock, settings.cluster_id)
    try:
        if not candidate.acquire_now():
            with _watched_queue(settings, candidate):
                candidate.acquire()
        candidate.verify()
        _require_link(settings)
    except BaseException:
        candidate.close()
        raise
    return candidate


class _CannotServe(Exception):
    """Even with the lock no client would be served from here; the message says what is missing."""


def _require_link(settings: Settings) -> None:
    if not netlink.link_is_up(settings.interface):
        raise _CannotServe(f"the link of {settings.interface}")


def _require_keepalived() -> None:
    if not _keepalived_runs():
        raise _CannotServe("keepalived.service, which would bring the address here")


def _keepalived_runs() -> bool:
    asked = ["/usr/bin/systemctl", "is-active", "--quiet", "keepalived.service"]
    return subprocess.run(asked, check=False).returncode == 0


@contextmanager
def _watched_queue(settings: Settings, candidate: lock.StorageLock) -> Iterator[None]:
    """While this process sleeps in the queue, another keeps ``systemctl status`` true."""
    lifeline, ours = os.pipe()
    _detach(lambda: _watch_queue(settings, candidate, lifeline, ours))
    os.close(lifeline)
    try:
        yield
    finally:
        os.close(ours)


def _watch_queue(settings: Settings, candidate: lock.StorageLock, lifeline: int, ours: int) -> None:
    candidate.close()  # a second process with this descriptor would hold the lock after the first
    os.close(ours)
    reporter = unit.Reporter()
    node = socket.gethostname()
    beat = 0
    ear = Ear(settings)
    wakes = select.poll()
    wakes.register(lifeline, select.POLLHUP)
    while True:
        try:
            holder = ear.listen()
            if settings.failback and settings.role == "master" and netlink.link_is_up(settings.interface):
                beat += 1
                lock.write_wish(settings.ha_lock, lock.Mark(node, beat))
        except (OSError, lock.LockError) as error:
            status = f"standby: waits in the queue, but {error}"
        else:
            status = "standby: waits for the storage lock, held by " + (
                f"{holder.node} since {holder.since}" if holder else "another node"
            )
            if ear.hears_nothing():
                status += ", but that node is silent: its lock ends with the storage server's lease"
        if wakes.poll(0):
            return
        reporter.say(status)
        if wakes.poll(settings.heartbeat_interval * 1000):
            return


def _detach(work: Callable[[], None]) -> None:
    """Run ``work`` in a process of this unit that is not our child: cranectld shall not find children it never made."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    code = 1
    try:
        if os.fork() == 0:
            work()
        code = 0
    except BaseException as error:  # the process has nobody above it to tell
        print(f"queue-for-lock: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)
