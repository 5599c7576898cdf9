"""Pacemaker with pcs, as a good administrator tunes it without a fencing device, to measure beside; see pcs.sh.

Nothing of the product comes from here. pcsd runs while the cluster is set up, and not afterwards: pcs on a node does
without it, so that what is measured is corosync and Pacemaker alone.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from .image import image

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.node import Node

__all__ = ["image", "install_pacemaker", "is_whole"]

HERE = Path(__file__).parent


def install_pacemaker(lab: Lab) -> None:
    """Sets the cluster up on two booted nodes of image(). Returns when it serves."""
    password = secrets.token_hex(16)
    for node in lab.nodes:
        node.run(["chpasswd"], stdin=f"hacluster:{password}\n")
        node.run(["systemctl", "start", "pcsd"], timeout=120)
    lab.node1.run(["/bin/sh", "-s", password], stdin=(HERE / "pcs.sh").read_text(), timeout=300)
    for node in lab.nodes:
        node.run(["systemctl", "stop", "pcsd"], timeout=120)  # it may take the 90 s that systemd waits
    lab.wait_until("Pacemaker serves", lambda: is_whole(lab.node1) and lab.client.served_by(), 60)


def is_whole(node: Node) -> bool:
    """Are both nodes of the cluster online, each resource started once, and nothing left to do?"""
    told = node.run("crm_mon --one-shot --output-as=xml && crm_resource --wait --timeout=20 >/dev/null", check=False)
    if told.returncode:
        return False
    state = ElementTree.fromstring(told.stdout)  # noqa: S314 - written by our own node
    online = [found.get("name") for found in state.iterfind("nodes/node[@online='true'][@pending='false']")]
    started = [found.get("id") for found in state.iterfind("resources//resource[@role='Started'][@failed='false']")]
    return len(online) == 2 and sorted(map(str, started)) == ["address", "cranectld"]
