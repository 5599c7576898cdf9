"""crane-ha-setup on real nodes: what it writes, keeps, refuses, starts, and takes back."""

from __future__ import annotations

import time

import pytest

from lab import VIP, Lab, Node
from lab.pair import SETTLED, Pair, other_line, set_up

MASTER = f"crane-ha-setup --role master --vip {VIP}"
CONF = "/etc/keepalived/keepalived.conf"
FOREIGN = """! my own
vrrp_instance MINE {
    interface ens33
    virtual_router_id 7
    virtual_ipaddress {
        192.168.1.77
    }
}
"""
UNITS = ("keepalived.service", "cranectld.service")


@pytest.fixture
def lab(just_installed: Lab) -> Lab:
    return just_installed


def files(node: Node) -> str:
    """Every file and folder of /etc and /var/lib/crane-keepalived, with mode, owner and checksum."""
    return node.run(
        "{ find /etc /var/lib/crane-keepalived /var/crane ! -name '*.log' -printf '%M %u %p %l\\n';"
        " find /etc /var/lib/crane-keepalived -type f -exec md5sum {} +; } | sort",
        check=False,
    ).stdout


def invocations(node: Node) -> list[str]:
    """A number for each start of our two units."""
    return [node.unit_property(unit, "InvocationID") for unit in UNITS]


def states(node: Node) -> list[str]:
    return [node.run(f"systemctl is-enabled {u}; systemctl is-active {u}", check=False).stdout for u in UNITS]


def test_two_commands_make_a_pair(lab: Lab) -> None:
    first, second = set_up(lab)
    assert first.splitlines()[-2] == "node1 is active: cranectld runs here, and 192.168.1.211 is on ens33"
    assert second.splitlines()[-2].startswith(
        "node2 is standby: cranectld waits here for the storage lock, held by node1"
    )
    lab.client.wait_served(5, by="node1")
    status = lab.node2.run("systemctl status cranectld", check=False).stdout
    assert 'Status: "standby: waits for the storage lock, held by node1 since ' in status
    for node in lab.nodes:
        assert node.run(["crane-ha", "status"]).stdout
        assert all(state == "enabled\nactive\n" for state in states(node))


def test_dry_run_shows_all_and_writes_nothing(lab: Lab) -> None:
    before = files(lab.node1)
    said = lab.node1.run(f"{MASTER} --dry-run").stdout
    assert "+        192.168.1.211" in said
    assert "dry run: nothing was changed" in said
    assert files(lab.node1) == before


def test_run_again_without_options_changes_and_restarts_nothing(lab: Lab) -> None:
    set_up(lab)
    for node in lab.nodes:
        before, started = files(node), invocations(node)
        role = "master" if node is lab.node1 else "backup"
        assert node.run(f"crane-ha-setup --role {role}").stdout.startswith("unchanged")
        assert (files(node), invocations(node)) == (before, started)


def test_a_tty_is_asked_and_no_means_no(lab: Lab) -> None:
    before = files(lab.node1)
    asked = lab.node1.run(f"script --quiet --return --command '{MASTER}' /dev/null", stdin="n\n", check=False)
    assert "Go on?" in asked.stdout
    assert asked.returncode != 0
    assert files(lab.node1) == before


def test_a_foreign_keepalived_conf_is_kept_and_put_back(lab: Lab) -> None:
    node = lab.node1
    node.write(CONF, FOREIGN)
    node.run("systemctl enable --now keepalived")
    before, enabled = files(node), states(node)
    said = node.run(MASTER).stdout
    kept = next(line.split()[-1] for line in said.splitlines() if " is kept in " in line)
    assert node.read(kept) == FOREIGN
    assert node.read(CONF) != FOREIGN
    node.run("crane-ha-setup --remove --yes")
    assert node.read(CONF) == FOREIGN
    after = [line for line in files(node).splitlines() if "/var/lib/crane-keepalived" not in line]
    lost = [line for line in before.splitlines() if line not in after and "/var/lib/crane-keepalived" not in line]
    assert lost == []
    assert states(node) == enabled
    assert node.run("crane-ha-setup --remove --yes").returncode == 0


def test_a_running_cranectld_is_taken_over_with_one_announced_restart(lab: Lab) -> None:
    lab.node1.run("systemctl enable --now cranectld")
    lab.wait_until("cranectld runs by itself", lambda: lab.active() is lab.node1, 10)
    said = lab.node1.run(MASTER).stdout
    announced = "cranectld runs on this node: it will be restarted once"
    assert said.index(announced) < said.index("node1 is active")
    lab.client.wait_served(5, by="node1")


BY_HAND = "setpriv --reuid crane --regid crane --init-groups /usr/bin/cranectld"


def test_a_cranectld_started_by_hand_beside_a_pair_finds_its_lock_taken(lab: Lab) -> None:
    set_up(lab)
    Pair(lab).wait_ready()
    by_hand = lab.node2.run(BY_HAND, check=False, timeout=10)
    assert by_hand.returncode == 1
    assert "another CraneCtld instance" in by_hand.stdout + by_hand.stderr


def test_a_cranectld_that_was_there_before_the_pair_is_waited_for(lab: Lab) -> None:
    lab.node2.run(f"systemd-run --quiet --unit=by-hand {BY_HAND}")
    lab.wait_until("cranectld runs by hand on node2", lambda: lab.active() is lab.node2, 10)
    said = lab.node1.run(MASTER, check=False, timeout=120)
    assert said.returncode == 1
    assert "held by a cranectld outside this pair" in said.stderr
    status = lab.node1.run("crane-ha status", check=False)
    assert (status.returncode, status.stdout.splitlines()[0]) == (1, "node1 is waiting")
    lab.node2.run("systemctl stop by-hand")
    lab.client.wait_served(SETTLED, by="node1", since=time.monotonic())


def test_a_lost_lock_file_made_again_never_means_two_daemons(lab: Lab) -> None:
    set_up(lab, "--storage-lease", "15")  # the next holder waits 8 s
    pair = Pair(lab)
    pair.wait_ready()
    lab.node1.run("rm /var/crane/cranectld/*.lock")
    lab.node2.run("systemctl restart cranectld")
    lab.wait_until(
        "node2 misses the lock file",
        lambda: "ha.lock is missing" in lab.node2.unit_property("cranectld.service", "StatusText"),
        10,
    )
    lab.node1.run("crane-ha-setup --create-lock --yes", check=False, timeout=120)
    lab.wait_until("the lock file is there", lambda: lab.node1.run("ls /var/crane/cranectld/ha.lock").stdout, 5)
    pair.wait_ready()


def test_started_by_hand_on_the_standby_it_only_queues(lab: Lab) -> None:
    set_up(lab)
    began = lab.client.wait_served(5, by="node1")
    for verb in ("start", "restart"):
        lab.node2.run(f"systemctl {verb} cranectld")
        lab.wait_until("node2 stands by", lambda: Pair(lab).is_standby(lab.node2), SETTLED)
    assert lab.client.outages(began) == []


def test_a_local_alive_file_works_and_a_stale_one_is_removed(lab: Lab) -> None:
    for node in lab.nodes:
        node.run("sed -i 's#^CraneBaseDir:.*#CraneBaseDir: /var/lib/crane/#' /etc/crane/config.yaml")
        node.run("install -d -o crane -g crane /var/lib/crane /var/lib/crane/cranectld")
        node.write("/var/lib/crane/cranectld/cranectld.alive", "", owner="crane:crane")
    set_up(lab)
    Pair(lab).wait_ready()
    alive = "ls /var/lib/crane/cranectld/cranectld.alive"
    assert lab.node1.run(alive, check=False).returncode == 0
    since = lab.node1.kill()
    lab.client.wait_served(SETTLED, by="node2", since=since)
    lab.node1.run(alive)  # the dead daemon's; the next holder on this node removes it
    assert lab.node2.run(alive, check=False).returncode == 0


def test_everything_wrong_is_said_at_once_and_nothing_written(lab: Lab) -> None:
    before = files(lab.node1)
    wrong = lab.node1.run(
        "crane-ha-setup --role master --vip 192.168.1.999 --router-id 256 --interface eth9 --yes", check=False
    )
    assert wrong.returncode == 2
    said = wrong.stderr.splitlines()
    assert all(line.startswith("crane-ha-setup: ") for line in said)
    for key in ("192.168.1.999", "256", "eth9"):
        assert any(key in line for line in said), f"{key} in {said}"
    assert files(lab.node1) == before


def test_storage_of_another_cluster_is_refused(lab: Lab) -> None:
    lab.node1.run(MASTER)
    refused = lab.node2.run(f"crane-ha-setup --role backup --vip {VIP} --cluster-id 00000000", check=False)
    assert refused.returncode in (1, 2)
    assert "00000000" in refused.stderr
    assert lab.node2.run(["cat", CONF], check=False).stdout == ""


def test_a_set_up_that_fails_puts_the_former_files_back(lab: Lab) -> None:
    node = lab.node1
    node.write(CONF, FOREIGN)
    node.run("systemctl enable --now keepalived; systemctl mask --runtime cranectld", check=False)
    before = node.read(CONF)
    failed = node.run(MASTER, check=False)
    assert failed.returncode in (1, 2)
    assert len(failed.stderr.splitlines()) >= 1
    assert node.read(CONF) == before
    assert node.run("ls /etc/systemd/system/cranectld.service.d/50-crane-keepalived.conf", check=False).returncode != 0


def test_removed_on_the_active_node_the_other_takes_over(lab: Lab) -> None:
    set_up(lab)
    Pair(lab).wait_ready()
    since = time.monotonic()
    lab.node1.run("crane-ha-setup --remove --yes")
    lab.client.wait_served(SETTLED, by="node2", since=since)
    assert not lab.node1.has_address()
    assert lab.node1.run(["crane-ha", "status"], check=False).returncode == 3


def test_vrrp_version_2_with_a_password_and_unicast(lab: Lab) -> None:
    for node in lab.nodes:
        node.write("/root/vrrp-password", "s3cret\n", mode=0o600)
    options = ["--vrrp-version", "2", "--auth-pass-file", "/root/vrrp-password"]
    peers = ["--peer", "192.168.1.11", "--peer", "192.168.1.12"]
    first, second = set_up(lab, *options, *peers)
    assert "s3cret" not in first + second
    assert lab.node1.run(f"stat --format=%a {CONF}").stdout == "600\n"
    Pair(lab).wait_ready()
    since = lab.node1.kill()
    lab.client.wait_served(SETTLED, by="node2", since=since)


def test_failback_gives_the_service_back_to_the_master(lab: Lab) -> None:
    set_up(lab, "--failback", "--failback-delay", "1", "--storage-lease", "15")
    Pair(lab).wait_ready()
    since = lab.node1.kill()
    lab.client.wait_served(SETTLED, by="node2", since=since)
    lab.client.wait_served(SETTLED, by="node1", since=time.monotonic())
    Pair(lab).wait_ready()


def test_the_other_line_carries_the_cluster_id(lab: Lab) -> None:
    line = other_line(lab.node1.run(MASTER).stdout)
    assert line.startswith(f"crane-ha-setup --role backup --vip {VIP} --cluster-id ")
    assert line.split()[-1] in lab.node1.run("cat /var/crane/cranectld/ha.lock").stdout
