"""File systems that are full, read-only, or not mounted, under a running pair."""

from __future__ import annotations

import pytest

from lab.node import Node
from lab.pair import SETTLED, Pair

CRANECTLD = "cranectld.service"
SHARED = "/var/crane"


def read_only(node: Node, folder: str) -> None:
    """For what is opened from now on: what is open for writing keeps a file system from being made read-only."""
    node.run(f"mount --rbind {folder} {folder} && mount -o remount,ro,bind {folder}")
    assert "Read-only file system" in node.run(["touch", f"{folder}/x"], check=False).stderr


def fill(node: Node, folder: str) -> None:
    said = node.run(f"dd if=/dev/zero of={folder}/full bs=64k; dd if=/dev/zero of={folder}/fuller bs=1k", check=False)
    assert said.stderr.count("No space left on device") == 2


# --- the shared storage -----------------------------------------------------------------------------------------------


def test_a_full_shared_storage_moves_nothing_and_a_crash_is_survived(fresh: Pair) -> None:
    active, standby = fresh.active, fresh.standby
    fill(active, SHARED)
    fresh.stays(active, 6)  # longer than the watchdog's time
    fresh.after(lambda: active.kill(CRANECTLD), served_by=standby)
    fresh.wait_standby(active)


def test_shared_storage_that_the_standby_sees_read_only_leaves_the_service_where_it_is(fresh: Pair) -> None:
    lab, active, standby = fresh.lab, fresh.active, fresh.standby
    read_only(standby, SHARED)
    standby.run(["systemctl", "restart", CRANECTLD])
    lab.wait_until("it says so", lambda: standby.says("waits for the storage: [Errno 30] Read-only file system"), 5)
    fresh.after(lambda: active.kill(CRANECTLD), served_by=active)
    standby.run(["umount", SHARED])
    fresh.wait_standby(standby)


def test_shared_storage_that_the_active_node_sees_read_only_moves_the_service_at_the_next_crash(fresh: Pair) -> None:
    lab, active, standby = fresh.lab, fresh.active, fresh.standby
    read_only(active, SHARED)
    fresh.stays(active, 2)
    fresh.after(lambda: active.kill(CRANECTLD), served_by=standby)
    lab.wait_until("it says so", lambda: active.says("waits for the storage: [Errno 30] Read-only file system"), 5)


def test_shared_storage_that_both_see_read_only_and_then_no_longer(fresh: Pair) -> None:
    lab = fresh.lab
    for node in lab.nodes:
        read_only(node, SHARED)
    fresh.active.kill(CRANECTLD)
    lab.wait_until("both say so", lambda: all(node.says("Read-only file system") for node in lab.nodes), 5)
    for node in lab.nodes:
        node.run(["umount", SHARED])
    lab.client.wait_served(5)
    fresh.wait_ready()


@pytest.mark.parametrize("whose", ["active", "standby"])
def test_shared_storage_unmounted_on_one_node(fresh: Pair, whose: str) -> None:
    lab, active, standby = fresh.lab, fresh.active, fresh.standby
    node, other = (active, standby) if whose == "active" else (standby, active)
    node.run(["umount", "--lazy", SHARED])
    lab.wait_until("it says so", lambda: node.says("ha.lock is missing"), 5)
    assert not fresh.is_well(node)
    fresh.stays(active, 1)
    fresh.after(lambda: active.kill(CRANECTLD), served_by=other)


# --- the node's own ---------------------------------------------------------------------------------------------------


def test_a_full_run_of_either_node(fresh: Pair) -> None:
    active, standby = fresh.active, fresh.standby
    for node in (active, standby):
        node.run("mount -o remount,size=16m /run")
        fill(node, "/run")
    fresh.stays(active, 2)
    fresh.after(lambda: active.kill(CRANECTLD))
    fresh.wait_ready()


def test_a_read_only_run_of_the_standby_leaves_the_service_to_the_other_node(fresh: Pair) -> None:
    active, standby = fresh.active, fresh.standby
    read_only(standby, "/run")
    fresh.stays(active, 1)
    fresh.after(lambda: active.kill(CRANECTLD), served_by=active)
    standby.run(["umount", "--recursive", "/run"], check=False)
    fresh.wait_standby(standby)


def test_a_read_only_run_of_the_active_node_and_a_crash_leave_the_service_to_the_other_node(fresh: Pair) -> None:
    active, standby = fresh.active, fresh.standby
    read_only(active, "/run")
    fresh.after(lambda: active.kill(CRANECTLD), served_by=standby)
    fresh.stays(standby, 2)
    # nobody can close that gate: the address leaves when keepalived's check, every other second, has failed twice
    fresh.lab.invariants.check(limit=6.0)
    fresh.lab.watcher.clear()


def test_a_read_only_etc_hinders_no_failover_and_a_set_up_changes_nothing(fresh: Pair) -> None:
    active, standby = fresh.active, fresh.standby
    for node in (active, standby):
        read_only(node, "/etc")
    refused = active.run("crane-ha-setup --priority 100 --yes", check=False, timeout=SETTLED)
    assert refused.returncode == 1
    assert "Read-only file system" in refused.stderr
    assert "Traceback" not in refused.stderr
    fresh.after(lambda: active.kill(CRANECTLD), served_by=standby)
    fresh.wait_standby(active)
    fresh.after(lambda: standby.kill(CRANECTLD), served_by=active)


def test_a_full_disk_hinders_no_failover(fresh: Pair) -> None:
    active, standby = fresh.active, fresh.standby
    for node in (active, standby):
        for folder in ("/var/log", "/var/tmp", "/tmp"):
            node.run(f"mount -t tmpfs -o size=64k full {folder}")
            fill(node, folder)
    fresh.after(lambda: active.kill(CRANECTLD), served_by=standby)
    fresh.wait_standby(active)
    fresh.after(lambda: standby.kill(CRANECTLD), served_by=active)
