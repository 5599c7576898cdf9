"""A cranectld that SIGKILL does not end, for it sleeps in the kernel: the node reboots, with SELinux enforcing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from . import node as it
from .machine import Machine

DISK, FROZEN = "/var/lib/frozen.img", "/mnt/frozen"
SETTINGS = "/etc/crane-keepalived/settings"
EMULATED = 15  # seconds that an emulated machine needs besides
DROP_IN = "/etc/systemd/system/cranectld.service.d/99-test.conf"


def freeze(machine: Machine) -> None:
    """A file system on which every write sleeps in the kernel until it is thawed, and nobody thaws it."""
    machine.run(f"truncate --size=16M {DISK} && mkfs.ext4 -q {DISK} && mkdir {FROZEN} && mount -o loop {DISK} {FROZEN}")
    machine.run(f"chmod 777 {FROZEN} && fsfreeze --freeze {FROZEN}")


@pytest.mark.parametrize("end", ["kill -9 {pid}", "systemctl --no-block stop cranectld"], ids=["killed", "stopped"])
def test_a_cranectld_that_does_not_end_reboots_the_node(node: Machine, end: str) -> None:
    freeze(node)
    writes = f"ExecStartPost=/bin/sh -c 'touch {FROZEN}/file & exit 0'"
    node.write(DROP_IN, f"[Service]\n{writes}\n")
    node.run("systemctl daemon-reload && systemctl restart cranectld")
    it.wait_active(node)
    assert node.run("ps -eo stat,args | grep '^D.*touch'").stdout
    node.run(f"rm {DROP_IN} && systemctl daemon-reload")
    before, follow = (
        node.boot_id(),
        "journalctl --quiet --follow --identifier=crane-keepalived --output=short-monotonic",
    )
    with ThreadPoolExecutor() as reader:
        # an emulated machine does not bring it to the disk before the reboot
        seen = reader.submit(node.run, follow, check=False)
        uptime, stop_timeout = node.run(f"cut -d. -f1 /proc/uptime; . {SETTINGS}; echo $STOP_TIMEOUT").stdout.split()
        node.run(end.format(pid=it.main_pid(node)))
        node.wait_rebooted(before)
    said = [
        line for line in seen.result().stdout.splitlines() if "cranectld was killed and does not end (thread" in line
    ]
    took = float(said[0].split("]")[0].strip("[ ")) - int(uptime)
    print(f"reboots {took:.1f} s after {end}, the stop timeout being {stop_timeout} s")
    # systemd's patience after each of its signals (docs/failover.md); one that was stopped has SIGTERM's time first
    assert took < (3 if "kill" in end else 4) * int(stop_timeout) + EMULATED
    it.wait_active(node)


def test_asked_not_to_it_does_not(node: Machine) -> None:
    node.run("crane-ha-setup --no-reboot-stuck")
    shown = node.run("systemctl show --property=Wants,OnFailure cranectld.service").stdout
    assert "Wants=" in shown
    assert "crane-keepalived-fence" not in shown
