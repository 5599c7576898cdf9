"""The set-up that CraneSched's guide has an administrator write by hand, to measure beside; the lock's path is ours.

These files are data, defects and all; nothing of the product comes from here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.lab import Lab

HERE = Path(__file__).parent
SCRIPTS = ("check_and_failover.sh", "on_master.sh", "on_backup.sh")


def install_guide(lab: Lab) -> None:
    """Does what the guide says on two booted nodes without our package; node1 is the master. Returns when it serves."""
    for node, role in ((lab.node1, "master"), (lab.node2, "backup")):
        node.write("/etc/keepalived/keepalived.conf", (HERE / f"keepalived-{role}.conf").read_text())
        for script in SCRIPTS:
            node.write(f"/etc/keepalived/{script}", (HERE / script).read_text(), mode=0o755)
    lab.node1.run(["systemctl", "start", "cranectld"])  # "only start ctld on the master node"
    for node in lab.nodes:
        node.run(["systemctl", "enable", "--quiet", "keepalived"])
        node.run(["systemctl", "start", "keepalived"])
    lab.wait_until(
        "the guide's set-up serves from node1",
        lambda: lab.node1.has_address() and lab.client.served_by() == "node1",
        20,
    )
