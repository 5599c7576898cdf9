"""What a person does to mend a fault, and no more than that: what the pair heals by itself is left to it.

Each is given the node of the fault, and does nothing where the fault had nothing to hit. Raises AssertionError when
the mending itself does not succeed.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from .. import rootfs
from ..machine import SHUTDOWN_DEADLINE
from ..node import DAEMON
from ..waiting import wait_until
from .site import CHECK, FILLER, KEEPALIVED, Site

BEAT = 2.0  # seconds between two heartbeats, at the walk's lease
SETUP_DEADLINE = 100.0  # crane-ha-setup itself gives a node 60 s to settle


def power(site: Site) -> None:
    """Presses the button, once a shutdown that is under way is over; waits for the boot, or not."""
    if not site.take("off"):
        return
    wait_until(f"{site.node} is off", lambda: not site.node.is_on, SHUTDOWN_DEADLINE, site.node.console)
    site.node.power_on()
    if site.dice < 0.5:
        site.node.wait_booted()


def await_reboot(site: Site) -> None:
    for boots in site.take("reboots"):
        site.node.wait_rebooted(boots)


def release(site: Site) -> None:
    """The storage server's lease is over."""
    site.lab.release_lock()


def plug(site: Site) -> None:
    site.node.link(True)


def switch_on(site: Site) -> None:
    site.insist("ip link set dev ens33 up")


def heal(site: Site) -> None:
    site.lab.heal()


def start_units(site: Site) -> None:
    site.insist(f"systemctl --no-block start {KEEPALIVED} {DAEMON}")


def thaw(name: str, site: Site) -> None:
    """SIGCONT to what send() stopped and kept under this name."""
    for process in site.take(name):
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGCONT)
        os.close(process)


def usual_daemon(site: Site) -> None:
    site.standin()


def remove_check(site: Site) -> None:
    site.on_disk(f"rm -f .{CHECK}")


def empty_run(site: Site) -> None:
    site.insist(f"rm -f {FILLER} {FILLER}.rest")


def make_lock(site: Site) -> None:
    """crane-ha-setup --create-lock on a node that is on; it goes on in the background while the node settles."""
    lock = site.lab.shared / "cranectld/ha.lock"

    def made() -> bool:
        if lock.exists():
            return True
        for node in (site.node, *site.lab.nodes):
            if node.is_on:
                line = "systemd-run --collect --unit=chaos-lock --quiet crane-ha-setup --create-lock"
                node.run(f"systemctl is-active --quiet chaos-lock || {line}", check=False, timeout=30)
                break
        return False

    wait_until("crane-ha-setup --create-lock makes the lock file", made, SETUP_DEADLINE)


def make_locks(site: Site) -> None:
    """ha.lock by a person; a new cranectld.lock keeps nobody out until a beat, or the next cranectld, has locked it."""
    make_lock(site)
    time.sleep(BEAT)


def put_lock_back(site: Site) -> None:
    site.on_storage("test ! -e ha.lock.kept || mv ha.lock.kept ha.lock")


def give_lock_back(site: Site) -> None:
    site.on_storage(f"chown {rootfs.CRANE}:{rootfs.CRANE} ha.lock && chmod 644 ha.lock")


def stop_stray(site: Site) -> None:
    site.insist("systemctl stop chaos-stray || ! systemctl is-active --quiet chaos-stray")


def await_idle(site: Site) -> None:
    for end in site.take("busy"):
        time.sleep(max(0.0, end - time.monotonic()))


def await_setup(site: Site) -> None:
    def over() -> bool:
        asked = site.node.run("systemctl is-active --quiet chaos-setup", check=False)
        return bool(asked.returncode)

    if site.take("setup") and site.node.is_on:
        wait_until("crane-ha-setup ends", lambda: not site.node.is_on or over(), SETUP_DEADLINE)
