"""The product in the lab: installed by dnf, set up by the two commands of the README, and watched."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .client import Outage
from .lab import Lab
from .network import VIP
from .node import DAEMON, Node

# LAB_REPOSITORY: packages built elsewhere, by mock say
REPOSITORY = Path(os.environ.get("LAB_REPOSITORY") or Path(__file__).resolve().parents[2] / "dist")
SETTLED = 30.0  # seconds in which a pair whose nodes are well comes back by itself

FAILURES = "/run/crane-keepalived.failures"
AS_CRANE = "setpriv --reuid crane --regid crane --init-groups /usr/bin/cranectld"
RESTART = 0.25  # seconds of the shortest gap that a stand-in's end and start can make; a busy host makes shorter ones


def new_lab(repository: Path = REPOSITORY, nodes: int = 2) -> Lab:
    """A lab whose nodes find the packages in their local dnf repository."""
    return Lab(binds={repository: "/srv/crane-repo"}, nodes=nodes)


def install(lab: Lab, what: str = "crane-keepalived") -> None:
    """dnf install on all nodes at once. Raises CommandFailed."""
    with ThreadPoolExecutor() as all_nodes:
        list(all_nodes.map(lambda node: node.run(["dnf", "-y", "install", what], timeout=300), lab.nodes))


def set_up(lab: Lab, *options: str) -> list[str]:
    """The README's two commands: on node1, and on the others at once the line that it printed. What each said."""
    first = lab.node1.run(["crane-ha-setup", "--role", "master", "--vip", VIP, *options], timeout=120).stdout
    with ThreadPoolExecutor() as others:
        return [first, *others.map(lambda node: node.run(other_line(first), timeout=120).stdout, lab.nodes[1:])]


def restored(lab: Lab, name: str) -> Iterator[Lab]:
    """For a fixture: nodes booted a moment ago from what was saved; whatever a test does, neither invariant breaks."""
    lab.restore(name)
    lab.start()
    yield lab
    lab.invariants.check(limit=3.0)


def other_line(said: str) -> str:
    """The command for the other node, as crane-ha-setup printed it last."""
    prefix = "On the other node run:"
    return [line[len(prefix) :].strip() for line in said.splitlines() if line.startswith(prefix)][-1]


class Pair:
    """Two nodes that were set up, and the sentences that a test says of them."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    @property
    def active(self) -> Node:
        """The node that runs cranectld with the lock."""
        node = self.lab.active()
        assert node, f"no node is active\n{self.lab.diagnosis()}"
        return node

    @property
    def standby(self) -> Node:
        """The other one; of more than two the first."""
        return self.standbys[0]

    @property
    def standbys(self) -> list[Node]:
        """All but the active one."""
        active = self.active
        return [node for node in self.lab.nodes if node is not active]

    def is_standby(self, node: Node) -> bool:
        """Does the node wait in the queue for the lock?"""
        return node.unit_property("cranectld.service", "StatusText").startswith("standby: waits for the storage lock")

    def is_well(self, node: Node) -> bool:
        """Does ``crane-ha status`` on the node find nothing wrong?"""
        return node.run(["crane-ha", "status"], check=False).returncode == 0

    def wait_ready(self, seconds: float = SETTLED) -> None:
        """Wait until one node serves the client and every other stands by."""

        def ready() -> bool:
            active = self.lab.active()
            if active is None or self.lab.client.served_by() != active.name or not active.has_address():
                return False
            return all(map(self.is_standby, self.standbys))

        self.lab.wait_until("one node serves and the other stands by", ready, seconds)

    def wait_standby(self, node: Node) -> None:
        """Wait until the node, which may just be booting, stands by."""
        self.lab.wait_until(f"{node} stands by", lambda: node.is_on and self.is_standby(node), SETTLED)

    def stays(self, node: Node, seconds: float) -> None:
        """The client is served by the node, without a gap, for so long."""
        began = time.monotonic()
        self.lab.wait_until("time passes", lambda: time.monotonic() - began >= seconds, seconds + 5)
        assert not self.lab.client.outages(began, longer=RESTART), self.lab.diagnosis()
        assert self.active is node

    def after(self, fault: Callable[[], object], served_by: Node | None = None, text: str = "") -> Outage:
        """Do something to the lab, wait until the client is served again, and return the outage that it saw."""
        began = time.monotonic()
        if text:
            self.lab.client.event(text, began)
        done = fault()
        since = done if isinstance(done, float) else began
        self.lab.client.wait_served(SETTLED, by=served_by.name if served_by else "", since=since)
        gaps = self.lab.client.outages(since, longer=0.0)
        return max(gaps, key=lambda gap: gap.seconds)

    def mend(self) -> None:
        """Undo what a test did to the lab, as far as an administrator would."""
        self.lab.release_lock()
        self.lab.heal()
        for node in self.lab.nodes:
            node.link(True)
            if not node.is_on:
                node.start()
            node.run(
                "rm -f /etc/crane/standin.conf /etc/crane-keepalived/*.d/*;"
                # failures of former tests are none in a row with this one's
                f"read -r _ _ pid <{FAILURES}; echo 0 0 $pid >{FAILURES};"
                "systemctl unmask cranectld keepalived;"
                "systemctl start keepalived cranectld",
                check=False,
            )


def start_by_hand(pair: Pair, node: Node) -> None:
    """cranectld without its unit, on a pair whose units are stopped."""
    for each in pair.lab.nodes:
        each.run(["systemctl", "stop", DAEMON])
    node.run(f"systemd-run --collect --quiet --unit=by-hand {AS_CRANE}")
    pair.lab.wait_until(f"cranectld runs by hand on {node}", lambda: pair.lab.active() is node, 5)
