"""What the faults do. Each says what it hit, or "" when there was nothing to hit.

Raises AssertionError when it cannot be done just then: the node is going down, systemd has no time.
"""

from __future__ import annotations

import signal
import time
from typing import Callable

from .. import rootfs
from ..machine import BOOT_DEADLINE
from ..node import DAEMON
from ..waiting import wait_until
from .site import CHECK, FILLER, Site, send

Do = Callable[[Site], str]
KILL, TERM, STOP = signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP


def shell(line: str) -> Do:
    """A command on the node."""
    return lambda site: site.run(line)


def to_main(number: signal.Signals, keep: str = "", unit: str = DAEMON) -> Do:
    return lambda site: send(site, site.main(unit), number, keep)


def to_beside(number: signal.Signals, keep: str = "") -> Do:
    return lambda site: send(site, site.beside(), number, keep)


def to_vrrp(number: signal.Signals, keep: str = "") -> Do:
    return lambda site: send(site, site.vrrp(), number, keep)


def flap(site: Site) -> str:
    """Kills faster than cranectld starts, and sometimes than it is restarted."""
    hits = []
    for _ in range(4 + int(site.dice * 4)):
        hits.append(send(site, site.main(), KILL))
        time.sleep(0.1 + site.dice * 0.6)
    return "; ".join(filter(None, hits))


def on_both(do: Do) -> Do:
    """The same to both nodes, this one first."""

    def twice(site: Site) -> str:
        return " and ".join(filter(None, [do(each) for each in (site, site.other())]))

    return twice


def cut_power(site: Site) -> str:
    site.node.power_off_hard()
    site.keep("off", True)
    return "power cut"


def cut_power_with_lease(site: Site) -> str:
    site.lab.hold_lock_after_death(site.node)
    return cut_power(site)


def cut_power_in_reboot(site: Site) -> str:
    site.node.run("systemctl reboot", check=False)
    seconds = 2 * site.dice
    time.sleep(seconds)
    wait_until(f"{site.node} is on", lambda: site.node.is_on, BOOT_DEADLINE)
    return f"{seconds:.2f} s after systemctl reboot: {cut_power(site)}"


def shut_down(site: Site) -> str:
    site.keep("off", True)
    site.node.run("systemctl poweroff", check=False)
    return "systemctl poweroff"


def reboot(line: str) -> Do:
    def do(site: Site) -> str:
        site.keep("reboots", site.node.boots)
        site.node.run(line, check=False)  # it may end with the node
        return line

    return do


def pull_cable(site: Site) -> str:
    site.node.link(False)
    return "cable pulled"


def cut_apart(site: Site) -> str:
    site.lab.partition()
    return "nodes cut apart"


def knobs(kill: bool, **values: Callable[[float], object]) -> Do:
    """Knobs of the stand-in, by the dice; they count from its next start on, which a kill brings about."""

    def do(site: Site) -> str:
        chosen = {name: value(site.dice) for name, value in values.items()}
        site.standin(**chosen)
        hit = send(site, site.main(), KILL) if kill else "at its next start"
        return " ".join(f"{name}={value}" for name, value in chosen.items()) + f", {hit}"

    return do


def add_check(*lines: str) -> Do:
    def do(site: Site) -> str:
        site.node.write(CHECK, "\n".join(["#!/bin/sh", *lines, ""]), mode=0o755)
        return f"check.d: {'; '.join(lines)}"

    return do


def delete_locks(*names: str) -> Do:
    def do(site: Site) -> str:
        site.on_storage(f"rm -f {' '.join(names)}")
        return f"deleted {' and '.join(names)}"

    return do


def replace_lock(site: Site) -> str:
    site.on_storage("cp -p ha.lock ha.lock.new && mv ha.lock.new ha.lock")
    return "a copy moved onto ha.lock"


def other_lock(site: Site) -> str:
    owner = f"{rootfs.CRANE}:{rootfs.CRANE}"
    other = f"sed '1s/cluster ......../cluster 00000000/' ha.lock >ha.lock.new && chown {owner} ha.lock.new"
    site.on_storage(f"{other} && ln ha.lock ha.lock.kept && mv ha.lock.new ha.lock")
    return "ha.lock is another cluster's"


def lock_of_root(site: Site) -> str:
    site.on_storage("chown root:root ha.lock && chmod 600 ha.lock")
    return "ha.lock is root's, mode 600"


def fill_run(site: Site) -> str:
    return site.run(f"dd if=/dev/zero of={FILLER} bs=64k; dd if=/dev/zero of={FILLER}.rest bs=1k; test -s {FILLER}")


def busy(site: Site) -> str:
    seconds = 3 + 3 * site.dice
    site.keep("busy", time.monotonic() + seconds)
    loop = f"setsid timeout {seconds:.1f} sh -c 'while :; do :; done' >/dev/null 2>&1 </dev/null"
    site.run(f"for i in $(seq 16); do {loop} & done")
    return f"for {seconds:.1f} s"


def set_up_again(site: Site) -> str:
    site.keep("setup", True)
    role = "master" if site.node is site.lab.node1 else "backup"
    line = f"crane-ha-setup --role {role} --priority {20 + int(site.dice * 200)}"
    return site.run(f"systemd-run --collect --unit=chaos-setup --quiet {line}")
