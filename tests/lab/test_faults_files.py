"""Somebody lays hands on the files that the failover stands on: the lock files and the gate."""

from __future__ import annotations

import signal

import pytest

from lab.pair import AS_CRANE, SETTLED, Pair

CRANECTLD = "cranectld.service"
FOLDER = "/var/crane/cranectld"
HA_LOCK, CRANECTLD_LOCK = f"{FOLDER}/ha.lock", f"{FOLDER}/cranectld.lock"
GATE = "$(sed -n 's/^ *file //p' /etc/keepalived/keepalived.conf)"  # where this node's keepalived looks for it
LOSE = {
    "deleted": f"rm {GATE}",
    "emptied": f": >{GATE}",
    "replaced by a folder": f"rm {GATE}; mkdir {GATE}",
    "replaced by a link": f"ln -sf /etc/hostname {GATE}",
}


def replaced(path: str) -> str:
    """The shell line that puts a copy in a file's place, as a restored backup does."""
    return f"cp --preserve {path} {path}.copy && mv {path}.copy {path}"


# --- the lock files ---------------------------------------------------------------------------------------------------


def test_ha_lock_deleted_under_a_running_daemon_serves_on_and_says_what_to_do(kept: Pair) -> None:
    lab, active, standby = kept.lab, kept.active, kept.standby
    standby.run(["rm", HA_LOCK])
    lab.wait_until("the active node misses it", lambda: active.says("run crane-ha-setup --create-lock"), 5)
    lab.wait_until("the standby misses it", lambda: standby.says("ha.lock is missing"), 5)
    assert not kept.is_well(active)
    kept.stays(active, 1)
    active.kill(CRANECTLD)
    lab.wait_until("nobody can take over", lambda: all(n.says("ha.lock is missing") for n in lab.nodes), 5)
    standby.run("crane-ha-setup --create-lock --yes", timeout=60)
    lab.client.wait_served(SETTLED)
    kept.wait_ready()


def test_both_lock_files_deleted_under_a_running_daemon_and_the_standby_restarted(fresh: Pair) -> None:
    active, standby = fresh.active, fresh.standby
    standby.run(["rm", HA_LOCK, CRANECTLD_LOCK])
    standby.run(["systemctl", "restart", CRANECTLD])
    fresh.lab.wait_until("the standby misses it", lambda: standby.says("ha.lock is missing"), 5)
    fresh.stays(active, 1)


def test_ha_lock_replaced_by_a_copy_under_a_running_daemon(kept: Pair) -> None:
    kept.standby.run(f"{replaced(HA_LOCK)}; systemctl restart {CRANECTLD}")
    kept.lab.client.wait_served(SETTLED)
    kept.wait_ready()


@pytest.mark.parametrize("how", [replaced(CRANECTLD_LOCK), f"rm {CRANECTLD_LOCK}"], ids=["replaced", "deleted"])
def test_cranectld_lock_lost_under_a_running_daemon_moves_nothing_and_still_keeps_others_out(
    kept: Pair, how: str
) -> None:
    active, standby = kept.active, kept.standby
    standby.run(f"{how}; systemctl restart {CRANECTLD}")
    kept.lab.wait_until("a beat locks it again", lambda: "is locked too" in active.journal(CRANECTLD, 5), 5)
    refused = standby.run(AS_CRANE, check=False, timeout=10)
    assert refused.returncode == 1
    assert "another CraneCtld instance" in refused.stderr
    kept.stays(active, 1.5)
    kept.wait_standby(standby)
    kept.after(lambda: active.kill(CRANECTLD), served_by=standby)


def test_a_cranectld_by_hand_quicker_than_a_beat_after_its_lock_was_deleted_ends_ours(fresh: Pair) -> None:
    """For a moment there are two, which nobody can prevent who does not start it."""
    lab, active, standby = fresh.lab, fresh.active, fresh.standby
    by_hand = f"systemd-run --collect --quiet --unit=by-hand {AS_CRANE}"
    standby.run(f"rm {CRANECTLD_LOCK}; {by_hand}")
    lab.wait_until("ours ends", lambda: "outside this pair has locked" in active.journal(CRANECTLD), 5)
    blocked = "held by a cranectld outside this pair"
    lab.wait_until("a node waits", lambda: any(node.says(blocked) for node in lab.nodes), 5)
    assert lab.active() is standby
    lab.watcher.clear()
    fresh.after(lambda: standby.run(["systemctl", "kill", "--signal=KILL", "by-hand"]) and None)
    fresh.wait_ready()


@pytest.mark.parametrize(
    "how",
    [
        f"{replaced(HA_LOCK)}; {replaced(CRANECTLD_LOCK)}; systemctl restart {CRANECTLD}",
        f"rm {HA_LOCK} {CRANECTLD_LOCK}; crane-ha-setup --create-lock --yes",
    ],
    ids=["by copies", "by new ones"],
)
def test_both_lock_files_replaced_beside_a_daemon_whose_heartbeat_hangs(fresh: Pair, how: str) -> None:
    active, standby = fresh.active, fresh.standby
    (heartbeat,), daemon = active.beside(CRANECTLD), active.main_pid(CRANECTLD)
    active.kill(heartbeat, signal.SIGSTOP)  # it beats every second, and would notice
    standby.run(how, timeout=90)
    fresh.lab.wait_until("the former daemon has ended", lambda: active.main_pid(CRANECTLD) != daemon, 15)
    fresh.wait_ready()
    fresh.lab.invariants.check(limit=3.0)


def test_one_node_sees_another_ha_lock_than_the_rest(kept: Pair) -> None:
    lab, active, standby = kept.lab, kept.active, kept.standby
    standby.run(f"cp --preserve {HA_LOCK} /root/copy; mount --bind /root/copy {HA_LOCK}; systemctl restart {CRANECTLD}")
    lab.wait_until("it waits for the daemon", lambda: standby.says("held by a cranectld outside this pair"), 15)
    kept.stays(active, 2)
    standby.run(f"umount --lazy {HA_LOCK}")
    kept.after(lambda: active.kill(CRANECTLD))
    kept.wait_ready()


def test_one_node_sees_the_lock_of_another_cluster(kept: Pair) -> None:
    lab, active, standby = kept.lab, kept.active, kept.standby
    other = f"cp --preserve {HA_LOCK} /root/other && sed -i 's/^cluster ......../cluster 00000000/' /root/other"
    standby.run(f"{other} && mount --bind /root/other {HA_LOCK} && systemctl restart {CRANECTLD}")
    lab.wait_until("it says so", lambda: standby.says("is the lock of cluster 00000000, this node belongs to"), 5)
    kept.after(lambda: active.kill(CRANECTLD), served_by=active)
    standby.run(f"umount --lazy {HA_LOCK}")
    kept.wait_standby(standby)


def test_a_ha_lock_of_root_is_named_and_the_daemon_runs_on(kept: Pair) -> None:
    lab, active, standby = kept.lab, kept.active, kept.standby
    active.run(["chown", "root:", HA_LOCK])
    standby.run(["systemctl", "restart", CRANECTLD])
    denied = f"Permission denied: '{HA_LOCK}'"
    lab.wait_until("the standby names it", lambda: standby.says(denied), 5)
    kept.stays(active, 2)
    active.kill(CRANECTLD)
    lab.wait_until("both name it", lambda: all(node.says(denied) for node in lab.nodes), 5)
    kept.after(lambda: active.run(["chown", "crane:", HA_LOCK]) and None)
    kept.wait_ready()


def test_a_ha_lock_that_nobody_may_read_ends_no_running_daemon(fresh: Pair) -> None:
    active = fresh.active
    active.run(f"chown root: {HA_LOCK}; chmod 600 {HA_LOCK}")
    fresh.stays(active, 7)  # the watchdog's time is 5 s
    assert active.says("cannot be opened any more: no other node can take over")


def test_a_cranectld_lock_of_root_is_named_and_the_service_is_back_once_it_is_mended(kept: Pair) -> None:
    lab, active = kept.lab, kept.active
    active.run(["chown", "root:", CRANECTLD_LOCK])
    kept.stays(active, 2)
    active.kill(CRANECTLD)
    told = f"but cranectld may not write {CRANECTLD_LOCK}: give that file to its user"
    lab.wait_until("a node names it", lambda: any(node.says(told) for node in lab.nodes), 5)
    kept.after(lambda: active.run(["chown", "crane:", CRANECTLD_LOCK]) and None)
    kept.wait_ready()


# --- the gate ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["deleted", "emptied", "replaced by a folder"])
def test_the_gate_of_the_active_node_lost(kept: Pair, how: str) -> None:
    active, standby = kept.active, kept.standby
    kept.after(lambda: active.run(LOSE[how]) and None, served_by=standby)
    if "replaced" in how:
        active.run(f"rm -rf {GATE}")
    kept.wait_standby(active)
    kept.after(lambda: standby.kill(CRANECTLD), served_by=active)


@pytest.mark.parametrize("how", ["deleted", "replaced by a folder", "replaced by a link"])
def test_the_gate_of_the_standby_lost(kept: Pair, how: str) -> None:
    active, standby = kept.active, kept.standby
    standby.run(LOSE[how])
    kept.stays(active, 1)
    kept.after(lambda: active.kill(CRANECTLD))  # by whom: the standby, or with a folder for a gate the node itself
    if "replaced" in how:
        standby.run(f"rm -rf {GATE}")
    kept.wait_ready()


def test_a_gate_without_rights_is_closed_all_the_same(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    active.run(f"chmod 000 {GATE}")
    # nothing makes the gate again; the check, in two rounds, would be too late
    outage = kept.after(lambda: active.run(["systemctl", "stop", CRANECTLD]) and None, served_by=standby)
    assert outage.seconds < 2.0
    active.run(["systemctl", "start", CRANECTLD])
    kept.wait_standby(active)


def test_a_gate_that_nobody_may_read_or_write_is_put_right(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    for node in (active, standby):
        node.run(f"chown root: {GATE}; chmod 000 {GATE}")
    kept.stays(active, 1)
    kept.after(lambda: active.kill(CRANECTLD))
    kept.wait_ready()
    assert [node.run(f"stat --format=%U:%a {GATE}").stdout for node in (active, standby)] == ["crane:644\n"] * 2


def test_what_else_the_package_keeps_in_run_deleted_moves_nothing(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    for node in (active, standby):
        node.run("rm -rf /run/crane-keepalived")
    kept.stays(active, 2.5)  # longer than from check to check
    kept.after(lambda: active.kill(CRANECTLD), served_by=standby)
    kept.wait_standby(active)
