"""Sentences that the tests say of the machine as a node of the cluster."""

from __future__ import annotations

from lab.network import VIP

from .machine import Machine

DAEMON, KEEPALIVED = "cranectld.service", "keepalived.service"
ETC = "/etc/crane-keepalived"
NOTES = "/run/crane-keepalived"
SETTLED = 90.0  # seconds on an emulated machine that may share its two cores


def state(machine: Machine) -> str:
    """What crane-ha calls the node: active, standby, …"""
    first = machine.run("crane-ha status", check=False).stdout.partition("\n")[0]
    return first.partition(" is ")[2]


def is_well(machine: Machine, wanted: str) -> bool:
    """Is the node in this state, and crane-ha without complaint?"""
    seen = machine.run("crane-ha status", check=False)
    return seen.stdout.startswith(f"node1 is {wanted}\n") and seen.returncode == 0


def wait_active(machine: Machine) -> None:
    machine.wait_until("the node is active", lambda: is_well(machine, "active"), SETTLED)


def wait_state(machine: Machine, wanted: str) -> None:
    machine.wait_until(f"the node is {wanted}", lambda: state(machine) == wanted, SETTLED)


def has_address(machine: Machine) -> bool:
    return f" {VIP.partition('/')[0]}/" in machine.run("ip -o address show dev ens33").stdout


def main_pid(machine: Machine, unit: str = DAEMON) -> int:
    return int(machine.run(f"systemctl show --value --property=MainPID {unit}").stdout)


def wait_new_daemon(machine: Machine, old: int) -> None:
    """The service is back with another process."""
    machine.wait_until("another cranectld serves", lambda: main_pid(machine) not in (0, old), SETTLED)
    wait_active(machine)


def hook(machine: Machine, place: str, *lines: str) -> None:
    """An administrator's executable in /etc/crane-keepalived, labelled as restorecon would."""
    machine.write(f"{ETC}/{place}", "\n".join(("#!/bin/sh", *lines, "")), 0o755)


def journal(machine: Machine, tag: str) -> list[str]:
    """What was logged under a tag since the machine was remembered."""
    return machine.run(f"journalctl --quiet --no-pager --output=cat --identifier={tag}").stdout.splitlines()


def logged(machine: Machine, text: str, tag: str = "crane-keepalived") -> None:
    machine.wait_until(f"{tag} logs: {text}", lambda: any(text in line for line in journal(machine, tag)), SETTLED)
