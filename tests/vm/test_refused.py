"""What must be refused is refused, to the scripts' domain and to the administrator's checks, on a running machine.

A script that was tampered with in place keeps its label, and so its domain: what it may do is what is asked here.
"""

from __future__ import annotations

from functools import partial

import pytest

from . import node as it
from .conftest import Told
from .denials import denials
from .machine import Machine

SCRIPT = "/usr/libexec/crane-keepalived/check_and_failover.sh"
# name -> a shell command that would do it
REFUSED = {
    "start another unit": "systemctl start auditd.service",
    "stop another unit": "systemctl stop rpcbind.service",
    "stop keepalived": "systemctl stop keepalived.service",
    "restart the mount of the shared storage": "systemctl restart var-crane.mount",
    "reload systemd": "systemctl daemon-reload",
    "re-execute systemd": "systemctl daemon-reexec",
    "enable cranectld": "systemctl enable cranectld.service",
    "disable cranectld": "systemctl disable cranectld.service",
    "mask cranectld": "systemctl mask cranectld.service",
    "reboot": "systemctl reboot",
    "power off at once": "systemctl poweroff -ff",
    "a unit of its own": "systemd-run /bin/true",
    "read /etc/shadow": "cat /etc/shadow",
    "read the host keys of ssh": "cat /etc/ssh/ssh_host_ed25519_key",
    "read root's files": "ls /root /root/.ssh",
    "write into /etc": "touch /etc/written",
    "write into /usr/bin": "touch /usr/bin/written",
    "change keepalived.conf": "echo >>/etc/keepalived/keepalived.conf",
    "change a unit file": "echo >>/usr/lib/systemd/system/cranectld.service",
    "change the scripts": "echo >>/usr/libexec/crane-keepalived/on_master.sh",
    "add a check": "touch /etc/crane-keepalived/check.d/99-mine",
    "change the settings": "echo >>/etc/crane-keepalived/settings",
    "open the gate": "echo 1 1 >/run/crane-keepalived.gate",
    "remove the gate": "rm -f /run/crane-keepalived.gate",
    "read the shared storage": "cat /var/crane/cranectld/ha.lock",
    "write on the shared storage": "touch /var/crane/written",
    "execute from the shared storage": "/var/crane/program",
    "kill cranectld": 'kill -9 "$(systemctl show --value --property=MainPID cranectld.service)"',
    "kill keepalived": "kill -9 $(cat /run/keepalived.pid)",
    "kill auditd": "kill -9 $(cat /run/auditd.pid)",
    "become permissive": "echo 0 >/sys/fs/selinux/enforce",
    "set a boolean": "setsebool crane_keepalived_send_mail on",
    "change another label": "chcon -t shadow_t /etc/crane-keepalived/settings",
    "enter another domain": "runcon -t unconfined_t true",
    "mount": "mount -t tmpfs none /mnt",
    "change its user": "setpriv --reuid=crane true",
    "connect to a port": "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 10011), 5)'",
    "listen": "python3 -c 'import socket; socket.create_server((\"127.0.0.1\", 22222))'",
    "send a raw packet": "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)'",
    "load a kernel module": "modprobe dummy",
    "change the kernel": "echo 1 >/proc/sys/kernel/sysrq",
    "write a device": "dd if=/dev/zero of=/dev/vda count=1 seek=999999999",
    "change the clock": "date -s 2001-01-01",
    "change the host name": "hostname other",
    "take the address away": "ip address delete 192.168.1.211/24 dev ens33",
}
ALLOWED = {
    # systemd asks for no more than "start" here: crane-keepalived(7) says so
    "set a limit of cranectld's": "systemctl set-property --runtime cranectld.service CPUWeight=50",
    "ask for cranectld": "systemctl show --property=Result cranectld.service",
    "read the gate": "cat /run/crane-keepalived.gate",
    "write to the log": "logger --tag probe hello",
}


def attempts(say: str) -> list[str]:
    """Shell lines that try each, and say what succeeded and what failed."""
    return [
        f'( {command} ) >/dev/null 2>&1 </dev/null && {say} "done: {name}" || {say} "failed: {name}"'
        for name, command in {**REFUSED, **ALLOWED}.items()
    ]


def check(machine: Machine, lines: list[str], boot: str, allowed: tuple[str, ...]) -> None:
    """All that is refused failed, and all that is allowed did not; and the node never noticed."""
    found = {name: what for what, _, name in (line.partition(": ") for line in lines)}
    refused = [name for name in (*REFUSED, *ALLOWED) if name not in allowed]
    assert {name: found.get(name) for name in allowed} == dict.fromkeys(allowed, "done")
    assert {name: found.get(name) for name in refused} == dict.fromkeys(refused, "failed")
    assert machine.run("cat /proc/sys/kernel/random/boot_id").stdout == boot
    assert machine.run("getenforce").stdout == "Enforcing\n"
    assert machine.run("ls /etc/written /usr/bin/written /var/crane/written", False).stdout == ""
    assert it.state(machine) == "active", machine.run("crane-ha status", False).stdout


@pytest.fixture
def victim(node: Machine, told: Told) -> Machine:
    """A node with something to steal and to execute on its shared storage."""
    told.expect_from("crane_keepalived_t", "crane_keepalived_hook_t")
    node.run("printf '#!/bin/sh\\n' >/srv/crane/program && chmod 755 /srv/crane/program")
    return node


def test_a_script_tampered_with_in_place(victim: Machine) -> None:
    boot, daemon = victim.run("cat /proc/sys/kernel/random/boot_id").stdout, it.main_pid(victim)
    once = f"[ ! -e {it.NOTES}/tried ] || exit 0"
    lines = ["#!/bin/sh", once, f": >{it.NOTES}/tried", "{", *attempts("echo"), f"}} >{it.NOTES}/found"]
    # content alone: owner, mode and label stay
    victim.run(f"cat >{SCRIPT}", stdin="\n".join([*lines, "exit 0", ""]))

    def found() -> list[str]:
        return victim.run(f"cat {it.NOTES}/found", False).stdout.splitlines()

    victim.wait_until("the script has tried all", lambda: len(found()) == len(REFUSED) + len(ALLOWED), 240)
    check(victim, found(), boot, tuple(ALLOWED))
    assert it.main_pid(victim) == daemon
    refused = {denial.tclass for denial in denials(victim) if denial.source == "crane_keepalived_t"}
    assert {"service", "system", "file"} <= refused
    assert victim.run("rpm --verify crane-keepalived", False).stdout.split()[1:] == [SCRIPT]


def test_a_hook_of_the_administrators(victim: Machine) -> None:
    boot = victim.run("cat /proc/sys/kernel/random/boot_id").stdout
    victim.run("crane-ha-setup --hook-timeout 300")
    it.hook(victim, "master.d/10-tries", *attempts("logger --tag found"))
    victim.run("systemctl restart cranectld")
    victim.wait_until(
        "the hook has tried all", lambda: len(it.journal(victim, "found")) == len(REFUSED) + len(ALLOWED), 240
    )
    allowed = ("set a limit of cranectld's", "ask for cranectld", "write to the log")
    check(victim, it.journal(victim, "found"), boot, allowed)


def says(node: Machine, trouble: str) -> bool:
    return trouble in node.run("crane-ha status", check=False).stdout


def test_scripts_and_checks_with_labels_of_their_own_are_not_run(node: Machine, told: Told) -> None:
    # a check that runs when the label changes reads on of its file
    told.expect_from("keepalived_t", "crane_keepalived_t")
    check = "/etc/crane-keepalived/check.d/10-mine"
    for file, content in ((SCRIPT, SCRIPT), (check, "/bin/true")):
        node.run(f"cp {content} /root/mine && mv /root/mine {file}")
        node.wait_until("crane-ha says so", partial(says, node, f"! SELinux: {file} has the label"), it.SETTLED)
    said = node.run("crane-ha-setup").stdout
    for file in (SCRIPT, check):
        assert f"{file} will get its SELinux label again" in said
    it.wait_active(node)
