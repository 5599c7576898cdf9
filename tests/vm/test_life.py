"""The whole life of a node, SELinux enforcing: whatever is refused fails the test (conftest.py)."""

from __future__ import annotations

import pytest
from lab.network import VIP

from . import node as it
from .conftest import Told
from .denials import denials
from .machine import Machine


def test_installed_and_set_up_every_process_has_its_domain(node: Machine) -> None:
    assert node.run("getenforce").stdout == "Enforcing\n"
    assert it.is_well(node, "active")
    assert it.has_address(node)
    assert node.run(f"cat {it.NOTES}/domain").stdout == "system_u:system_r:crane_keepalived_t:s0\n"
    domains = {line.split()[1]: line.split(":")[2] for line in node.run("ps -eo label,comm").stdout.splitlines()[1:]}
    assert domains["keepalived"] == "keepalived_t"
    # as without us: nothing that cranectld would inherit
    assert domains["cranectld"] in ("initrc_t", "unconfined_service_t")


def test_killed_it_comes_back(node: Machine) -> None:
    old = it.main_pid(node)
    node.run(f"kill -9 {old}")
    it.wait_new_daemon(node, old)
    it.logged(node, "cranectld failed on this node: another node takes over")


def test_stopped_by_a_signal_it_is_noticed_and_replaced(node: Machine) -> None:
    old = it.main_pid(node)
    node.run(f"kill -STOP {old}")
    it.wait_new_daemon(node, old)
    node.run("journalctl --boot --unit=cranectld.service | grep -q 'stands still, stopped by a signal'")


def test_handed_over_it_stands_by_until_the_other_lets_go(node: Machine) -> None:
    # the other node, as far as this one can see it: it waits for the lock before us, and holds it until told
    other = "setpriv --reuid=crane --regid=crane --clear-groups flock --no-fork /var/crane/cranectld/ha.lock sleep 600"
    node.run(f"{other} >/dev/null 2>&1 & echo $! >/root/other")
    node.run("crane-ha status && systemctl restart cranectld")
    it.wait_state(node, "standby")
    node.wait_until("the address is gone", lambda: not it.has_address(node), it.SETTLED)
    node.run("kill $(cat /root/other)")
    it.wait_active(node)


def test_keepalived_is_stopped_started_killed(node: Machine) -> None:
    node.run("systemctl stop keepalived")
    assert node.run("systemctl is-active cranectld", check=False).stdout == "inactive\n"
    assert not it.has_address(node)
    node.run("systemctl start keepalived")
    it.wait_active(node)
    old = it.main_pid(node)
    node.run(f"kill -9 {it.main_pid(node, it.KEEPALIVED)}")
    it.wait_new_daemon(node, old)


def test_set_up_anew_it_reloads_and_serves_on(node: Machine) -> None:
    old = it.main_pid(node)
    assert "keepalived.service will be reloaded" in node.run("crane-ha-setup --priority 100").stdout
    it.wait_active(node)
    assert it.main_pid(node) == old


def test_a_pulled_cable(node: Machine) -> None:
    node.run("ip link set ens33 down")
    it.wait_state(node, "standby")
    assert not it.has_address(node)
    node.run("ip link set ens33 up")
    it.wait_active(node)


def test_a_removed_gate_is_made_again(node: Machine) -> None:
    old = it.main_pid(node)
    node.run("rm -r /run/crane-keepalived.gate /run/crane-keepalived")
    it.wait_new_daemon(node, old)
    label = "system_u:object_r:crane_keepalived_gate_t:s0"
    assert node.run("stat --format=%C /run/crane-keepalived.gate").stdout.strip() == label


def test_reboot(node: Machine) -> None:
    node.reboot()
    it.wait_active(node)


def test_hooks_and_checks_run_in_their_own_domain(node: Machine) -> None:
    say = 'logger --tag said "$CRANE_HA_STATE as $(cat /proc/self/attr/current)"'
    for name in ("master", "backup", "fault"):
        it.hook(node, f"{name}.d/10-say", say)
    it.hook(node, "check.d/10-passes", "test -r /etc/crane/config.yaml")
    old = it.main_pid(node)
    node.run(f"kill -9 {old}")
    it.wait_new_daemon(node, old)
    for name in ("fault", "master"):
        it.logged(node, f"{name} as system_u:system_r:crane_keepalived_hook_t:s0", "said")
    node.run("systemctl restart cranectld")
    it.logged(node, "backup as system_u:system_r:crane_keepalived_hook_t:s0", "said")


def test_a_check_that_fails_hands_over(node: Machine) -> None:
    # until it has passed its checks once, a daemon has a minute in which they do not count
    passed = f"cat {it.NOTES}/passed"
    node.wait_until("a check has passed", lambda: node.run(passed, False).stdout == f"{it.main_pid(node)}\n")
    it.hook(node, "check.d/20-fails", "exit 1")
    it.logged(node, "cranectld is not well: handing over")
    node.run(f"rm {it.ETC}/check.d/20-fails")
    it.wait_active(node)


def test_a_hook_that_hangs_is_ended(node: Machine) -> None:
    it.hook(node, "master.d/10-hangs", "trap '' TERM", "while :; do sleep 1; done")
    node.run("crane-ha-setup --hook-timeout 2 && systemctl restart cranectld")
    it.logged(node, "10-hangs: failed with status 137")
    it.wait_active(node)


def test_a_hook_may_stop_cranectld_and_systemctl_says_why_not_more(node: Machine) -> None:
    it.hook(node, "master.d/10-stops", "systemctl stop cranectld.service && logger --tag said stopped")
    node.run("systemctl restart cranectld")
    it.logged(node, "stopped", "said")


@pytest.mark.parametrize("allowed", [False, True])
def test_mail_is_sent_when_the_boolean_says_so(node: Machine, told: Told, allowed: bool) -> None:
    relay = (
        "import socket; s = socket.create_server(('127.0.0.1', 25)); c = s.accept()[0]; c.sendall(b'220 hello\\r\\n')"
    )
    node.run(f'python3 -c "{relay}" >/dev/null 2>&1 &')
    node.run(f"setsebool crane_keepalived_send_mail {'on' if allowed else 'off'}")
    connect = "import socket; print(socket.create_connection(('127.0.0.1', 25), 5).recv(99).decode())"
    it.hook(node, "master.d/10-mail", f'logger --tag said "$(python3 -I -c "{connect}" 2>&1)"')
    if not allowed:
        told.expect_from("crane_keepalived_hook_t")
    node.run("systemctl restart cranectld")
    it.logged(node, "220 hello" if allowed else "PermissionError", "said")
    refused = {denial.tclass for denial in denials(node) if denial.source == "crane_keepalived_hook_t"}
    assert refused == (set() if allowed else {"tcp_socket"})


def test_removed_the_node_is_as_it_was(node: Machine) -> None:
    said = node.run("crane-ha-setup --remove --yes").stdout
    assert "this node is as it was" in said
    assert node.run("ls /run/crane-keepalived", check=False).returncode != 0
    node.run("systemctl start cranectld")
    node.wait_until("cranectld runs by itself", lambda: it.main_pid(node) > 0, it.SETTLED)
    assert VIP.partition("/")[0] not in node.run("ip address").stdout
