"""The nodes' image with Pacemaker in it: the lab's recipe and Debian's packages, build/lab/pacemaker-<hash of both>.

An image of its own, so that nothing of it is in the nodes of the guide's set-up and of ours.
"""

from __future__ import annotations

import fcntl
import hashlib
from pathlib import Path

from lab import rootfs
from lab.rootfs import remove, run, say

PACKAGES = ("pacemaker", "pacemaker-cli-utils", "corosync", "pcs", "resource-agents")
# for pcs to enable; their packages have them start with Debian's sample of a cluster
DISABLED_UNITS = ("corosync.service", "pacemaker.service", "pcsd.service", "pcsd-ruby.service")


def image() -> Path:
    """The image's folder, built now if it is not there yet (about a minute). Raises CalledProcessError."""
    recipe = hashlib.sha256(rootfs.recipe_hash().encode() + Path(__file__).read_bytes()).hexdigest()[:12]
    built = rootfs.CACHE / f"pacemaker-{recipe}"
    if built.is_dir():
        return built
    rootfs.CACHE.mkdir(parents=True, exist_ok=True)
    with (rootfs.CACHE / "pacemaker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.is_dir():
            say(f"building the root file system of Pacemaker's nodes in {built}")
            part, scratch = Path(f"{built}.part"), rootfs.CACHE / "pacemaker-scratch"
            build(part, scratch)
            for old in rootfs.CACHE.glob("pacemaker-*"):
                if old != part and not rootfs.in_use(old):
                    remove(old)
            part.rename(built)
    return built


def build(target: Path, scratch: Path) -> None:
    """A node as rootfs.build makes it, and the packages above; both folders are ours alone, by the lock."""
    for folder in (target, scratch):
        remove(folder)
    scratch.mkdir()
    rootfs.bootstrap(target, scratch, (*rootfs.PACKAGES, *PACKAGES))
    rootfs.make_node(target, rootfs.build_stubs(scratch, "crane-lab-distribution"))
    run("systemctl", f"--root={target}", "--quiet", "disable", *DISABLED_UNITS)
    remove(scratch)


if __name__ == "__main__":
    print(image())
