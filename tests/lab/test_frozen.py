"""A keepalived that hangs sees no gate close, and keeps the address that it has."""

from __future__ import annotations

import signal

import pytest

from lab.pair import Pair


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_keepalived_that_hangs_loses_the_address_with_the_service(pair: Pair, number: signal.Signals) -> None:
    active, standby = pair.active, pair.standby
    parent = active.main_pid("keepalived.service")
    child = int(active.run(["pgrep", "--parent", str(parent)]).stdout)
    for pid in (child, parent):
        active.kill(pid, signal.SIGSTOP)
    pair.after(lambda: active.kill(number=number), served_by=standby)
    if number == signal.SIGSTOP:  # such a keepalived runs no check: the heartbeat is the one that sees it
        assert "stands still, stopped by a signal" in active.journal("cranectld.service")
    # RestartSec=1, and then the gate's service
    pair.lab.wait_until("the address is on one node", lambda: not active.has_address(), 3)
    for pid in (child, parent):
        active.kill(pid, signal.SIGCONT)
    pair.wait_standby(active)
    pair.stays(standby, 2)
