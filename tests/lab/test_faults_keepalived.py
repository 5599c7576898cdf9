"""What keeps cranectld and the address together fails itself: keepalived, the heartbeat, the queue."""

from __future__ import annotations

import signal
import time

import pytest

from lab.node import Node
from lab.pair import SETTLED, Pair

CRANECTLD, KEEPALIVED = "cranectld.service", "keepalived.service"
WATCHDOG = 15.0  # seconds for what the watchdog has to end: its time is 5 s here


def signal_all(node: Node, unit: str, name: str) -> None:
    node.run(["systemctl", "kill", f"--signal={name}", unit])


def kill_vrrp(node: Node) -> float:
    """Kills keepalived's VRRP process, which its main process starts again."""
    return node.kill(node.beside(KEEPALIVED)[0])


# --- keepalived -------------------------------------------------------------------------------------------------------


def test_the_vrrp_process_of_the_active_node_killed(kept: Pair) -> None:
    active = kept.active
    kept.after(lambda: kill_vrrp(active))
    kept.wait_ready()


def test_the_vrrp_process_and_cranectld_killed_together(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    vrrp, daemon = active.beside(KEEPALIVED)[0], active.main_pid(CRANECTLD)
    active.run(["kill", "-KILL", str(vrrp), str(daemon)])
    kept.lab.client.wait_served(SETTLED, by=standby.name, since=time.monotonic())
    kept.wait_ready()


@pytest.mark.parametrize("how", ["restart", "kill --signal=KILL", "kill --signal=STOP"])
def test_keepalived_of_the_standby_restarted_killed_or_hung_moves_nothing(kept: Pair, how: str) -> None:
    active, standby = kept.active, kept.standby
    standby.run(f"systemctl {how} {KEEPALIVED}")
    kept.stays(active, 2)
    signal_all(standby, KEEPALIVED, "CONT")
    kept.wait_standby(standby)


def test_keepalived_stopped_on_the_standby_leaves_the_service_to_the_other_node(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    standby.run(["systemctl", "stop", KEEPALIVED])
    kept.stays(active, 1)
    kept.after(lambda: active.kill(CRANECTLD), served_by=active)
    standby.run(["systemctl", "start", KEEPALIVED])
    kept.wait_standby(standby)


def test_keepalived_hung_on_the_standby_brings_the_service_back_where_it_was(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    signal_all(standby, KEEPALIVED, "STOP")
    kept.after(lambda: active.kill(CRANECTLD), served_by=active)
    signal_all(standby, KEEPALIVED, "CONT")
    kept.stays(active, 2)
    kept.wait_ready()


def test_keepalived_hung_on_the_active_node_moves_nothing(kept: Pair) -> None:
    active = kept.active
    signal_all(active, KEEPALIVED, "STOP")
    kept.stays(active, 2.5)
    signal_all(active, KEEPALIVED, "CONT")
    kept.stays(active, 1.5)


def test_keepalived_hung_on_the_active_node_loses_the_address_when_cranectld_crashes(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    signal_all(active, KEEPALIVED, "STOP")
    kept.after(lambda: active.kill(CRANECTLD), served_by=standby)
    kept.lab.wait_until("the address has left the node that hangs", lambda: not active.has_address(), 5)
    signal_all(active, KEEPALIVED, "CONT")
    kept.stays(standby, 2)
    kept.wait_ready()


@pytest.mark.parametrize("verb", ["stop keepalived", "restart keepalived", "poweroff"])
def test_keepalived_hung_on_the_active_node_that_crashes_and_is_stopped_at_once(kept: Pair, verb: str) -> None:
    """chaos: no start of the unit takes the address away, and systemd waited for keepalived for 90 s."""
    lab, active, standby = kept.lab, kept.active, kept.standby
    signal_all(active, KEEPALIVED, "STOP")
    kept.after(lambda: active.kill(CRANECTLD), served_by=standby)
    active.run(f"systemctl --no-block {verb}")
    lab.wait_until("the address has left the node that hangs", lambda: not active.has_address(), 3)
    if verb == "poweroff":
        lab.wait_until(f"{active} is off", lambda: not active.is_on, SETTLED)
        active.start()
    active.run(f"systemctl start {KEEPALIVED} {CRANECTLD}")
    kept.stays(standby, 1)
    kept.wait_ready()


@pytest.mark.parametrize("options", ["--priority 100 --check-interval 1", "--router-id 77 --advert-interval 0.5"])
def test_keepalived_reloaded_with_other_values_moves_nothing_and_still_fails_over(fresh: Pair, options: str) -> None:
    active, standby = fresh.active, fresh.standby
    for node in (active, standby):
        role = "master" if node is fresh.lab.node1 else "backup"
        said = node.run(f"crane-ha-setup --role {role} {options} --yes", timeout=SETTLED).stdout
        assert "keepalived.service will be reloaded" in said
    fresh.stays(active, 2)
    fresh.after(lambda: active.kill(CRANECTLD), served_by=standby)
    fresh.wait_standby(active)


# --- heartbeat and queue ----------------------------------------------------------------------------------------------


def test_a_heartbeat_that_stands_still_ends_cranectld_by_the_watchdog(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    (heartbeat,) = active.beside(CRANECTLD)
    began = active.kill(heartbeat, signal.SIGSTOP)
    kept.lab.client.wait_served(WATCHDOG, by=standby.name, since=began + 1)
    kept.wait_standby(active)


def test_a_heartbeat_that_stands_still_does_not_keep_the_lock_of_a_cranectld_that_crashed(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    (heartbeat,) = active.beside(CRANECTLD)
    active.kill(heartbeat, signal.SIGSTOP)
    kept.after(lambda: active.kill(CRANECTLD), served_by=standby)
    kept.wait_standby(active)


def test_a_heartbeat_that_stands_still_for_a_moment_moves_nothing(kept: Pair) -> None:
    active = kept.active
    (heartbeat,) = active.beside(CRANECTLD)
    active.kill(heartbeat, signal.SIGSTOP)
    kept.stays(active, 2.5)
    active.kill(heartbeat, signal.SIGCONT)
    kept.stays(active, 1.5)


def test_the_queueing_process_killed_queues_again_and_takes_over(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    former = standby.main_pid(CRANECTLD)
    standby.kill(former)
    kept.stays(active, 1)
    kept.lab.wait_until(f"{standby} queues anew", lambda: standby.main_pid(CRANECTLD) not in (0, former), SETTLED)
    kept.wait_standby(standby)
    kept.after(lambda: active.kill(CRANECTLD), served_by=standby)


def test_the_process_beside_the_queueing_one_killed_delays_nothing(kept: Pair) -> None:
    active, standby = kept.active, kept.standby
    (watches,) = standby.beside(CRANECTLD)
    standby.kill(watches)
    kept.after(lambda: active.kill(CRANECTLD), served_by=standby)


# --- systemd ----------------------------------------------------------------------------------------------------------


def test_systemd_reloaded_and_executed_anew_while_serving_moves_nothing(kept: Pair) -> None:
    active = kept.active
    for node in kept.lab.nodes:
        node.run("for i in 1 2 3; do systemctl daemon-reload; systemctl daemon-reexec; done")
    kept.stays(active, 6)  # longer than the watchdog's time
    kept.wait_ready()
    kept.after(lambda: active.kill(CRANECTLD), served_by=kept.standby)


@pytest.mark.parametrize("how", ["killed", "restarted"])
@pytest.mark.parametrize("verb", ["daemon-reload", "daemon-reexec"])
def test_systemd_reloaded_or_executed_anew_in_the_middle_of_a_hand_over(kept: Pair, verb: str, how: str) -> None:
    active, standby = kept.active, kept.standby
    daemon = active.main_pid(CRANECTLD)
    storm = f"for i in 1 2 3 4 5; do systemctl {verb}; sleep 0.1; done"
    for node in kept.lab.nodes:
        node.run(["systemd-run", "--quiet", "--unit=storm", "/bin/sh", "-c", storm])
    if how == "killed":
        active.kill(daemon)
    else:  # a systemd that is executed anew hangs up on who asks it just then
        active.run(f"until systemctl --no-block restart {CRANECTLD}; do sleep 0.02; done")
    kept.lab.client.wait_served(SETTLED, by=standby.name)
    kept.wait_ready()
