"""What the users buy: whatever fails, one daemon, the address with it, and back by itself."""

from __future__ import annotations

import signal
import time

import pytest

from lab.pair import SETTLED, Pair

CRANECTLD, KEEPALIVED = "cranectld.service", "keepalived.service"


def test_cranectld_killed(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    pair.after(lambda: active.kill(CRANECTLD), served_by=standby)
    pair.wait_standby(active)


def test_cranectld_killed_again_and_again(pair: Pair) -> None:
    for _ in range(4):
        active, standby = pair.active, pair.standby
        pair.wait_standby(standby)
        pair.after(lambda active=active: active.kill(CRANECTLD), served_by=standby)  # type: ignore[misc]
    pair.wait_standby(pair.standby)


def test_power_loss_with_the_lock_freed_at_once(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    pair.after(active.power_off_hard, served_by=standby)
    active.start()
    pair.wait_standby(active)
    pair.stays(standby, 2)


def test_power_loss_with_the_lock_held_by_a_lease(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    pair.lab.hold_lock_after_death(active)
    active.power_off_hard()
    began = time.monotonic()
    pair.lab.wait_until("the lease has lasted 6 s", lambda: time.monotonic() - began >= 6, 10)
    assert pair.is_standby(standby)
    assert pair.lab.client.served_by() == ""
    pair.after(pair.lab.release_lock, served_by=standby)


def test_link_of_the_active_node_cut_and_mended(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    pair.after(lambda: active.link(False), served_by=standby)
    active.link(True)
    pair.wait_standby(active)
    pair.stays(standby, 2)


def test_link_of_the_standby_cut_and_mended(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    standby.link(False)
    pair.stays(active, 2)
    standby.link(True)
    pair.after(lambda: active.kill(CRANECTLD), served_by=standby)


def test_keepalived_stopped(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    pair.after(lambda: active.run(["systemctl", "stop", KEEPALIVED]) and None, served_by=standby)
    assert active.unit_state(CRANECTLD) == "inactive"
    active.run(["systemctl", "start", KEEPALIVED])
    pair.wait_standby(active)


@pytest.mark.parametrize("how", ["restart", "kill --signal=SIGKILL", "kill --signal=SIGKILL --kill-whom=main"])
def test_keepalived_restarted_or_killed(pair: Pair, how: str) -> None:
    active = pair.active
    pair.after(lambda: active.run(f"systemctl {how} {KEEPALIVED}") and None)
    pair.wait_ready()


def test_keepalived_reloaded_moves_nothing(pair: Pair) -> None:
    active = pair.active
    active.run(["systemctl", "reload", KEEPALIVED])
    pair.stays(active, 3)


def test_planned_hand_over(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    pair.after(lambda: active.run(["systemctl", "restart", CRANECTLD]) and None, served_by=standby)
    pair.wait_standby(active)


def test_cranectld_stopped_by_hand_hands_over_and_stays_out(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    pair.after(lambda: active.run(["systemctl", "stop", CRANECTLD]) and None, served_by=standby)
    pair.stays(standby, 2)
    assert active.unit_state(CRANECTLD) == "inactive"


def test_cranectld_that_does_not_end_is_killed(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    active.standin(IGNORE_SIGTERM=1)
    pair.after(lambda: active.kill(CRANECTLD), served_by=standby)
    pair.wait_standby(active)
    pair.after(lambda: standby.kill(CRANECTLD), served_by=active)
    pair.after(lambda: active.run(["systemctl", "--no-block", "restart", CRANECTLD]) and None, served_by=standby)


def test_cranectld_stopped_by_a_signal_is_seen(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    # by the heartbeat or by keepalived's check, whichever looks first: test_frozen.py has the heartbeat alone
    pair.after(lambda: active.kill(CRANECTLD, signal.SIGSTOP), served_by=standby)
    pair.wait_standby(active)


def test_partition_and_healing_move_nothing(pair: Pair) -> None:
    active = pair.active
    pair.lab.partition()
    pair.stays(active, 6)
    pair.lab.heal()
    pair.stays(active, 4)


def test_crash_in_a_partition(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    pair.lab.partition()
    pair.after(lambda: active.kill(CRANECTLD), served_by=standby)
    pair.lab.heal()
    pair.stays(standby, 3)


def test_reboot_after_a_crash(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    boots = active.boots
    pair.after(lambda: active.run("systemctl reboot -ff", check=False) and None, served_by=standby)
    active.wait_rebooted(boots)
    pair.wait_standby(active)
    pair.stays(standby, 2)


def test_ordered_reboot_of_the_active_node(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    pair.after(active.reboot, served_by=standby)
    pair.wait_standby(active)


def test_boot_in_a_partition(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    standby.power_off_hard()
    pair.lab.partition()
    standby.start()
    pair.wait_standby(standby)
    pair.stays(active, 3)
    pair.lab.heal()
    pair.stays(active, 3)


def test_both_powered_on_at_once(pair: Pair) -> None:
    for node in pair.lab.nodes:
        node.power_off_hard()
    for node in pair.lab.nodes:
        node.power_on()
    pair.lab.client.wait_served(SETTLED)
    pair.wait_ready()


def test_cranectld_cannot_start_on_one_node(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    standby.standin(EXIT_BEFORE_READY=1)
    pair.after(lambda: active.kill(CRANECTLD), served_by=active)
    assert "CraneCtld" in standby.journal(CRANECTLD)
    standby.standin()
    pair.wait_standby(standby)


def test_the_address_taken_away_by_hand_comes_back_or_the_service_moves(pair: Pair) -> None:
    active = pair.active
    pair.after(lambda: active.run(["ip", "address", "delete", "192.168.1.211/32", "dev", "ens33"]) and None)
    pair.wait_ready()


def test_heartbeat_killed_means_a_new_one_by_a_hand_over(pair: Pair) -> None:
    active = pair.active
    main = active.main_pid(CRANECTLD)
    pids = active.run("cat $(find /sys/fs/cgroup -path '*cranectld.service/cgroup.procs' | head -n 1)").stdout.split()
    others = [int(pid) for pid in pids if int(pid) not in (0, main)]
    assert len(others) == 1
    active.kill(others[0], signal.SIGKILL)
    # nobody pings the watchdog any more: systemd ends the daemon after a third of the lease (90 s)
    pair.lab.wait_until("the daemon without a heartbeat has ended", lambda: active.main_pid(CRANECTLD) != main, 40)
    pair.wait_ready()
