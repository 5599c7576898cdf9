"""The lab is what it claims: two machines, a network that breaks as told, a client and a watcher."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab import VIP, CommandFailed, Lab, Node, wait_until
from lab.network import CLIENT_ADDRESS


def pings(node: Node, address: str) -> bool:
    return node.run(["ping", "-c1", "-W1", address], check=False).returncode == 0


def test_both_nodes_boot_with_nothing_failed(lab: Lab) -> None:
    for node in lab.nodes:
        assert node.run(["systemctl", "is-system-running"]).stdout.strip() == "running"
        assert node.run(["hostname"]).stdout.strip() == node.name
        assert node.run("stat -c %U:%G /var/crane /etc/crane/config.yaml").stdout.split() == ["crane:crane"] * 2
        assert node.unit_state("keepalived.service") == node.unit_state("cranectld.service") == "inactive"
    assert lab.node1.read("/etc/machine-id") != lab.node2.read("/etc/machine-id")


def test_shared_storage_is_shared_with_its_locks(lab: Lab) -> None:
    lab.node1.write("/var/crane/hello", "from node1\n")
    assert lab.node2.read("/var/crane/hello") == "from node1\n" == (lab.shared / "hello").read_text()
    holder = "touch /var/crane/l; systemd-run --quiet --unit=holder flock /var/crane/l sleep 60"
    lab.node1.run(holder)
    lab.wait_until(
        "node2 sees the lock of node1",
        lambda: lab.node2.run(["flock", "-n", "/var/crane/l", "true"], check=False).returncode,
        5,
    )
    lab.node1.run("systemctl stop holder")
    lab.node2.run(["flock", "-n", "/var/crane/l", "true"])


def test_bridge_partition_and_cable(both_on: Lab) -> None:
    lab = both_on
    assert pings(lab.node1, lab.node2.address)
    lab.partition()
    assert not pings(lab.node1, lab.node2.address)
    assert all(pings(node, CLIENT_ADDRESS) for node in lab.nodes)
    lab.heal()
    assert pings(lab.node2, lab.node1.address)
    lab.node1.link(False)
    assert "NO-CARRIER" in lab.node1.run("ip link show dev ens33").stdout
    assert not pings(lab.node2, lab.node1.address)
    lab.node1.link(True)
    assert pings(lab.node2, lab.node1.address)


def test_cables_stay_as_they_are_while_the_power_is_off(both_on: Lab) -> None:
    lab = both_on
    lab.node1.power_off_hard()
    lab.partition()
    lab.node1.start()
    assert not pings(lab.node1, lab.node2.address)
    assert pings(lab.node1, CLIENT_ADDRESS)
    lab.node1.power_off_hard()
    lab.heal()
    lab.node1.link(False)
    lab.node1.start()
    assert "NO-CARRIER" in lab.node1.run("ip link show dev ens33").stdout


def test_client_and_watcher_see_the_service(both_on: Lab) -> None:
    lab = both_on
    lab.client.clear()
    lab.node1.run(f"ip addr add {VIP}/32 dev ens33; systemctl start cranectld")
    lab.client.wait_served(5, by="node1")
    assert lab.active() is lab.node1
    assert lab.node1.has_address()
    killed = lab.node1.kill()
    lab.wait_until("nobody answers", lambda: not lab.client.served_by(), 2)
    assert lab.active() is None
    lab.node1.run("systemctl start cranectld")
    served = lab.client.wait_served(5, since=killed)
    lab.wait_until("three answers more", lambda: len(lab.client.answers(served)) >= 3, 2)
    outage = lab.client.outage(killed)
    assert 0.3 <= outage <= served - killed + 0.05
    assert "answer from node1, after" in lab.client.timeline()
    lab.invariants.check()


def test_watcher_sees_two_daemons_and_a_lost_address(both_on: Lab) -> None:
    lab = both_on
    lab.watcher.clear()
    lab.node1.run("systemctl start cranectld")
    lab.wait_until("node1 has the lock", lambda: lab.active() is lab.node1, 5)
    (lab.shared / "cranectld/cranectld.lock").unlink()  # two inodes: the disaster that the product must prevent
    lab.node2.run(f"systemctl start cranectld; ip addr add {VIP}/32 dev ens33")
    lab.node1.run(f"ip addr add {VIP}/32 dev ens33")
    lab.wait_until("both have the address", lambda: all(node.has_address() for node in lab.nodes), 5)
    lab.wait_until("both daemons seen", lambda: lab.invariants.two_daemons, 5)
    with pytest.raises(AssertionError, match="two cranectld at once"):
        lab.invariants.check()
    lab.wait_until("seen for a while", lambda: lab.invariants.two_addresses > 0.1, 5)
    for node in lab.nodes:
        node.run("systemctl stop cranectld")
    lab.watcher.clear()


def test_a_cranectld_without_a_lock_of_its_own_is_no_daemon(lab: Lab) -> None:
    # between its exec and its own lock: another one may have that, and then it ends
    lab.node1.run("cp /bin/sleep /root/cranectld; touch /var/crane/ha.lock /var/crane/own.lock")
    run = "systemd-run --quiet --unit={} flock --no-fork /var/crane/{}.lock /root/cranectld 60"
    lab.node1.run(run.format("first", "ha"))
    lab.node1.run(run.format("second", "own"))
    lab.wait_until("the second one is seen", lambda: lab.active() is lab.node1, 5)
    lab.node1.run("systemctl stop second")
    lab.wait_until("it has ended, and the first one is not seen", lambda: lab.active() is None, 5)
    assert lab.node1.unit_state("first.service") == "active"
    lab.node1.run("systemctl stop first")


def test_power_cut_frees_address_and_lock(both_on: Lab) -> None:
    lab = both_on
    lab.node1.run(f"touch /etc/stays; ip addr add {VIP}/32 dev ens33; systemctl start cranectld")
    lab.client.wait_served(5, by="node1")
    leader = lab.node1.leader
    lab.node1.power_off_hard()
    assert not Path(f"/proc/{leader}").exists()
    assert not lab.node1.is_on
    assert not lab.node1.has_address()
    lab.node2.run(["flock", "-n", "/var/crane/cranectld/cranectld.lock", "true"])
    assert "CraneCtld service ready" in lab.node1.journal("cranectld")
    lab.node1.start()
    assert lab.node1.read("/etc/stays") == ""
    assert not lab.node1.has_address()


def test_lock_held_after_death(both_on: Lab) -> None:
    lab = both_on
    lab.node1.run("systemctl start cranectld")
    lab.wait_until("node1 has the lock", lambda: lab.active() is lab.node1, 5)
    lab.hold_lock_after_death(lab.node1)
    lab.node1.power_off_hard()
    lab.node2.run("systemctl start cranectld")
    lab.wait_until("node2 is refused", lambda: lab.node2.unit_state("cranectld") == "failed", 5)
    lab.release_lock()
    lab.node2.run("systemctl restart cranectld")
    lab.wait_until("node2 has the lock", lambda: lab.active() is lab.node2, 5)


def test_reboots(both_on: Lab) -> None:
    node = both_on.node2
    boots = node.boots
    node.reboot()
    assert node.boots == boots + 1
    node.run("systemctl reboot -ff", check=False)
    node.wait_rebooted(boots + 1)
    node.power_off()
    assert not node.is_on


def test_snapshot(both_on: Lab) -> None:
    lab = both_on
    lab.node1.write("/etc/kept", "yes")
    lab.node1.write("/var/crane/kept", "yes")
    lab.save("test")
    lab.start()
    lab.node1.run("rm /etc/kept /usr/bin/cranectld /var/crane/kept; touch /var/crane/new")
    lab.restore("test")
    lab.start()
    assert lab.node1.read("/etc/kept") == lab.node1.read("/var/crane/kept") == "yes"
    assert not (lab.shared / "new").exists()
    assert lab.node1.run("test -x /usr/bin/cranectld")


def test_waiting_and_failing_say_what(lab: Lab) -> None:
    with pytest.raises(AssertionError, match=r"not within 0.1 s: pigs fly\nwings"):
        wait_until("pigs fly", lambda: False, 0.1, lambda: "wings")
    with pytest.raises(CommandFailed, match="exit code 3: node1: echo out; exit 3\nout"):
        lab.node1.run("echo out; exit 3")
    started = time.monotonic()
    with pytest.raises(CommandFailed, match=r"not done after 0.2 s: node1: sleep 60"):
        lab.node1.run("sleep 60", timeout=0.2)
    assert time.monotonic() - started < 5
