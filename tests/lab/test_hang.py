"""A cranectld that is there, holds its lock and its port, and takes nobody in."""

from __future__ import annotations

import time

from lab.pair import Pair


def test_a_cranectld_that_hangs_is_replaced(pair: Pair) -> None:
    first, second = pair.active, pair.standby
    second.standin(HANG_AFTER=3)
    pair.after(first.kill, served_by=second)
    pair.wait_standby(first)
    since = pair.lab.client.wait_served(5, by=second.name)
    # three questions, two seconds apart, and then the time that a crash takes
    pair.lab.client.wait_served(20, by=first.name, since=since)
    assert "has taken in nobody at port 10011" in second.journal("cranectld.service")


def test_a_cranectld_that_hangs_as_soon_as_it_is_ready_is_replaced(pair: Pair) -> None:
    """chaos: who was never seen to take anybody in was taken for one that still starts, without end."""
    first, second = pair.active, pair.standby
    second.standin(HANG_AFTER=0)
    first.kill()
    pair.lab.wait_until(f"{second} has the lock, and has read its knobs", lambda: pair.lab.active() is second, 10)
    second.standin()
    pair.lab.client.wait_served(20, by=first.name)
    assert "has taken in nobody at port 10011" in second.journal("cranectld.service")
    pair.wait_standby(second)


def test_asked_not_to_look_nobody_looks(pair: Pair) -> None:
    for node in pair.lab.nodes:
        node.run("crane-ha-setup --probe-failures 0", timeout=120)
    pair.wait_ready()
    first, second = pair.active, pair.standby
    second.standin(HANG_AFTER=1)
    pair.after(first.kill, served_by=second)
    pair.lab.wait_until("it hangs", lambda: pair.lab.client.served_by() == "", 10)
    began = time.monotonic()
    pair.lab.wait_until("it has hung for 12 s", lambda: time.monotonic() - began >= 12, 15)
    assert pair.lab.client.served_by() == ""
    assert pair.active is second
    pair.after(second.kill, served_by=first)
