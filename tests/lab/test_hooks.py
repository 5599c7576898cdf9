"""The administrator's own checks and hooks, as the guide promises them."""

from __future__ import annotations

import time

from lab.node import Node
from lab.pair import SETTLED, Pair

ETC = "/etc/crane-keepalived"
LOG = "/run/hooks-seen"


def give(node: Node, path: str, *lines: str, mode: int = 0o755) -> None:
    node.write(f"{ETC}/{path}", "\n".join(["#!/bin/sh", *lines, ""]), mode=mode)


def seen(node: Node) -> list[str]:
    return node.run(["cat", LOG], check=False).stdout.split()


def test_hooks_hear_of_master_fault_and_standby(pair: Pair) -> None:
    for node in pair.lab.nodes:
        node.run(["rm", "-f", LOG])
        for state in ("master", "backup", "fault"):
            give(node, f"{state}.d/10-tell", f'echo "{state}:$CRANE_HA_STATE:$CRANE_HA_ADDRESSES" >>{LOG}')
    active, standby = pair.active, pair.standby
    active.kill()
    pair.lab.client.wait_served(SETTLED, by=standby.name)
    pair.lab.wait_until("the new one's hook ran", lambda: "master:master:192.168.1.211" in seen(standby), 10)
    pair.lab.wait_until("the failed one's hook ran", lambda: "fault:fault:192.168.1.211" in seen(active), 10)
    pair.wait_ready()
    standby.run(["systemctl", "restart", "cranectld"])
    pair.lab.wait_until("a clean hand-over is no fault", lambda: "backup:backup:192.168.1.211" in seen(standby), 10)
    assert not any(word.startswith("fault") for word in seen(standby))


def test_a_hook_that_hangs_or_fails_delays_nothing(pair: Pair) -> None:
    for node in pair.lab.nodes:
        for state in ("master", "backup", "fault"):
            give(node, f"{state}.d/10-hangs", "sleep 600")
            give(node, f"{state}.d/20-fails", "exit 7")
    for _ in range(3):
        active, standby = pair.active, pair.standby
        pair.after(active.kill, served_by=standby)
        pair.lab.wait_until(f"{active} stands by", lambda active=active: pair.is_standby(active), SETTLED)  # type: ignore[misc]


def test_a_check_that_fails_moves_the_service(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    give(active, "check.d/disk", "test ! -e /run/disk-is-full")
    began = time.monotonic()
    pair.lab.wait_until("the check passed a few times", lambda: time.monotonic() - began > 5, 10)
    assert pair.active is active
    pair.after(lambda: active.run(["touch", "/run/disk-is-full"]) and None, served_by=standby)
    active.run(["rm", "/run/disk-is-full"])
    pair.wait_ready()


def test_after_a_check_that_failed_a_lone_node_waits_for_the_next_one(pair: Pair) -> None:
    active, standby = pair.active, pair.standby
    standby.run("systemctl stop cranectld")
    # longer than an address takes to come
    active.run("crane-ha-setup --check-interval 5", timeout=120)
    pair.lab.client.wait_served(SETTLED, by=active.name)
    former = active.main_pid()
    passed = "/run/crane-keepalived/passed"
    give(active, "check.d/disk", "test ! -e /run/disk-is-full")
    pair.lab.wait_until("a check passes", lambda: active.run(["cat", passed], check=False).stdout == f"{former}\n", 15)
    active.run(["touch", "/run/disk-is-full"])
    pair.lab.wait_until("it hands over", lambda: ": handing over" in active.journal(), 20)
    active.run(["rm", "/run/disk-is-full"])
    pair.lab.client.wait_served(SETTLED, by=active.name, since=time.monotonic())
    # a daemon given up for its address would be a second failure
    assert active.read("/run/crane-keepalived.failures").split()[0] == "1"
    assert "did not come" not in active.journal("cranectld.service")


def test_a_daemon_that_starts_slowly_is_given_the_time(pair: Pair) -> None:
    probe = "exec 3<>/dev/tcp/127.0.0.1/10011"
    for node in pair.lab.nodes:
        node.standin(START_SECONDS=8)
        node.write(f"{ETC}/check.d/port", f"#!/bin/bash\n{probe}\n", mode=0o755)
    active, standby = pair.active, pair.standby
    pair.after(active.kill, served_by=standby)
    assert pair.active is standby


def test_a_check_that_others_could_have_written_is_not_run(pair: Pair) -> None:
    active = pair.active
    give(active, "check.d/planted", "touch /run/planted; exit 1", mode=0o777)
    began = time.monotonic()
    pair.lab.wait_until("two check intervals pass", lambda: time.monotonic() - began > 5, 10)
    assert pair.active is active
    assert active.run("ls /run/planted", check=False).returncode != 0
    assert "planted: not run, for it must belong to root" in active.journal()
