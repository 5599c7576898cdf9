"""The set-ups that are measured side by side: each knows how it is installed, and its own word for the same fault."""

from __future__ import annotations

from pathlib import Path

from lab import rootfs
from lab.guide import install_guide
from lab.lab import Lab
from lab.node import Node
from lab.pacemaker import image, install_pacemaker, is_whole
from lab.pair import REPOSITORY, Pair, install, set_up

READY = 90.0  # seconds
LEASE = "30"  # the README's advice for the NFS server


class Peer:
    """A set-up on the lab's two nodes."""

    name = ""  # for ONLY
    column = ""
    # the units whose processes, but for cranectld itself, are the layer that keeps the service up
    units: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()  # whose versions are told, besides those that all have
    share = 1  # how many times RUNS
    labs = 1  # side by side, among which its runs are divided

    def image(self) -> Path:
        """Of its nodes, built if need be."""
        return rootfs.rootfs()

    def lab(self) -> Lab:
        """A lab for it, not yet entered; the folder of packages is there for all, so that all labs are alike."""
        return Lab(binds={REPOSITORY: "/srv/crane-repo"}, image=self.image)

    def install(self, lab: Lab) -> None:
        """On booted nodes; returns when it serves."""
        raise NotImplementedError

    def is_ready(self, lab: Lab) -> bool:
        """Does it serve, and could the other node take over?"""
        raise NotImplementedError

    def wait_ready(self, lab: Lab) -> None:
        lab.wait_until(f"{self.column} serves and stands by", lambda: self.is_ready(lab), READY)

    def stop(self, node: Node) -> None:
        """The layer is stopped on the node, in order."""
        node.run("systemctl stop keepalived", check=False)

    def kill(self, node: Node) -> None:
        """The layer's main process is killed."""
        node.kill("keepalived.service")

    def hand_over(self, node: Node) -> None:
        """What an administrator does to have the other node serve."""
        node.run("systemctl restart cranectld", check=False)


class Guide(Peer):
    """CraneSched's guide, by hand. Planned, it has no way to the other node: its cranectld restarts in place."""

    name, column = "guide", "the guide's set-up"
    units = ("keepalived.service", "cranectld.service")

    def install(self, lab: Lab) -> None:
        install_guide(lab)

    def is_ready(self, lab: Lab) -> bool:
        running = all(node.unit_state("keepalived.service") == "active" for node in lab.nodes)
        return running and bool(lab.client.served_by())


class Pacemaker(Peer):
    """Pacemaker, corosync and pcs of Debian."""

    name, column = "pacemaker", "Pacemaker, tuned"
    units = ("corosync.service", "pacemaker.service")
    labs = 2  # a run takes twice as long
    packages = ("pacemaker", "corosync", "pcs")

    def image(self) -> Path:
        return image()

    def install(self, lab: Lab) -> None:
        install_pacemaker(lab)

    def is_ready(self, lab: Lab) -> bool:
        return bool(lab.client.served_by()) and all(map(is_whole, lab.nodes))

    def stop(self, node: Node) -> None:
        node.run("pcs cluster stop --force", check=False, timeout=120)

    def kill(self, node: Node) -> None:
        node.kill("pacemaker.service")

    def kill_corosync(self, node: Node) -> None:
        """Of its two main processes the other one."""
        node.kill("corosync.service")

    def hand_over(self, node: Node) -> None:
        node.run(f"pcs node standby {node.name}", check=False)


class Ours(Peer):
    """crane-keepalived, by its two commands."""

    name, column = "ours", "crane-keepalived"
    share = 2  # its figures are small, and its maximum is a promise
    labs = 2
    units = ("keepalived.service", "cranectld.service")

    def install(self, lab: Lab) -> None:
        install(lab)
        set_up(lab, "--storage-lease", LEASE)

    def is_ready(self, lab: Lab) -> bool:
        pair, active = Pair(lab), lab.active()
        if active is None or lab.client.served_by() != active.name or not active.has_address():
            return False
        return all(map(pair.is_standby, pair.standbys))


PEERS: tuple[Peer, ...] = (Guide(), Ours(), Pacemaker())
