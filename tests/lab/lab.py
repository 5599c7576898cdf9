"""The lab: two nodes or more, shared storage, a client, an eye on the invariants.

    with Lab() as lab:
        lab.start()
        lab.node1.run("systemctl start keepalived")
        lab.wait_until("the address is on node1", lambda: lab.node1.has_address(), 10)

Everything runs in namespaces that end with the process that made the Lab (supervisor.py), whichever way it ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Callable

from . import locks, rootfs, waiting
from .client import Client
from .network import Network
from .node import DAEMON, Node
from .processes import ENVIRONMENT, Command, argv_of, inside, run
from .watcher import Invariants, Watcher

SUPERVISOR = Path(__file__).resolve().with_name("supervisor.py")
# program -> Debian's package
NEEDED = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "rpmbuild": "rpm",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "journalctl": "systemd",
}

SHARED_SIZE = "64m"  # small enough for a test to fill it

LOOK = (
    "systemctl --failed --no-legend; systemctl list-jobs --no-legend; "
    "systemctl status --no-pager --lines=0 cranectld keepalived; ip addr show dev ens33"
)


class Lab:
    """`binds` are folders of this host that the nodes see read-only, e.g. {"dist": "/srv/crane-repo"}.

    `image` gives the folder of another root file system for the nodes than the usual one, and builds it if need be."""

    def __init__(
        self,
        binds: Mapping[str | Path, str] | None = None,
        nodes: int = 2,
        image: Callable[[], Path] = rootfs.rootfs,
    ) -> None:
        self.binds = {str(Path(host).resolve()): here for host, here in (binds or {}).items()}
        self.build_image = image
        self.folder = "/run/lab"  # in the lab's mount namespace: a tmpfs
        self.closing = False
        self.init = 0  # the lab's PID 1, as a process id of this host
        self.cgroup = Path()
        self.image = Path()  # the nodes' root file system
        self.keeper: subprocess.Popen[str] | None = None
        self.network = Network(self)
        self.nodes = [Node(self, number) for number in range(1, nodes + 1)]
        self.node1, self.node2 = self.nodes[:2]
        self.client = Client(self)
        self.watcher = Watcher(self)
        self.held_locks: list[int] = []

    # --- life ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Lab:
        """Builds all but the nodes' power: start() or a node's start() does that. Raises RuntimeError."""
        require_host()
        self.image = self.build_image()
        try:
            self._unshare()
            owner = f"mode=755,uid={rootfs.CRANE},gid={rootfs.CRANE},size={SHARED_SIZE}"
            self.run(f"mkdir -p {self.folder}/shared && mount -t tmpfs -o {owner} shared {self.folder}/shared")
            self.network.build()
            for node in self.nodes:
                node.format_disk()
            self.client.start()
            self.watcher.start()
        except BaseException:
            self.close()
            raise
        return self

    def _unshare(self) -> None:
        self.keeper = subprocess.Popen(
            [sys.executable, "-IB", str(SUPERVISOR)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us
        )
        assert self.keeper.stdout
        told = [self.keeper.stdout.readline().strip() for _ in range(2)]
        if not all(told):
            raise RuntimeError("the lab's namespaces could not be made: it needs a host that lets root do anything")
        self.init, self.cgroup = int(told[0]), Path(told[1])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Takes everything down; returns when nothing is left."""
        self.closing = True
        self.release_lock()
        if self.keeper and self.keeper.stdin and self.keeper.stdout:
            self.keeper.stdin.close()  # the keeper waits for just this
            self.keeper.wait()
            self.keeper.stdout.close()
            self.keeper = None
        self.client.stop()
        self.watcher.stop()
        for node in self.nodes:
            node.ended()

    def start(self) -> None:
        """Powers all nodes on at once, and waits until they have booted."""
        for node in self.nodes:
            node.power_on()
        for node in self.nodes:
            node.wait_booted()

    def run(
        self,
        command: Command,
        *,
        check: bool = True,
        timeout: float = 60,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program of this host in the lab's namespaces. Raises CommandFailed."""
        enter = inside(self.init, "mount", "net", "pid", "cgroup", "uts", "ipc")
        return run([*enter, *argv_of(command)], check=check, timeout=timeout, stdin=stdin)

    # --- faults ----------------------------------------------------------------------------------------------------

    def partition(self) -> None:
        """The nodes no longer reach each other; the client still reaches both."""
        for node in self.nodes:
            node.isolate(True)

    def heal(self) -> None:
        """Ends a partition."""
        for node in self.nodes:
            node.isolate(False)

    def hold_lock_after_death(self, node: Node) -> None:
        """Makes the locks that a node's cranectld holds now outlive it, as an NFS server's lease does."""
        self.held_locks += locks.take(self.cgroup / node.name / "payload/system.slice" / DAEMON)

    def release_lock(self) -> None:
        """The lease is over: the locks held for a dead node are free."""
        while self.held_locks:
            os.close(self.held_locks.pop())

    @property
    def shared(self) -> Path:
        """The shared storage, /var/crane of every node, as a folder of this host."""
        return Path(f"/proc/{self.init}/root{self.folder}/shared")

    # --- snapshots -------------------------------------------------------------------------------------------------

    def save(self, name: str) -> None:
        """Shuts the nodes down in order; keeps their disks and the shared storage under a name, for restore()."""
        for node in self.nodes:
            if node.is_on:
                node.power_off()
        self.run(f"""
            rm -rf {self.folder}/saved/{name}
            mkdir -p {self.folder}/saved/{name} && cd {self.folder} && cp -a shared saved/{name}/ || exit 1
            for node in {" ".join(node.name for node in self.nodes)}; do
                mkdir saved/{name}/$node && cp -a $node/upper saved/{name}/$node/ || exit 1
            done
        """)

    def restore(self, name: str) -> None:
        """Cuts the power and puts all back as save() kept it: disks, storage, cables, no partition, no memory.

        The nodes are off then. Takes about 0.1 s, so that a test may begin with it."""
        self.release_lock()
        for node in self.nodes:
            if node.is_on:
                node.power_off_hard()
            node.cable, node.isolated = True, False
            node.unmount_disk()
        self.run(f"""
            cd {self.folder} && find shared -mindepth 1 -delete && cp -a saved/{name}/shared/. shared/ || exit 1
            lock=shared/cranectld/ha.lock # no copy, for the nodes: the very file that it was
            [ ! -e "$lock" ] || printf '%-127s\\n' "file $(stat --format=%i "$lock")" |
                dd of="$lock" bs=128 seek=3 conv=notrunc status=none || exit 1
            for node in {" ".join(node.name for node in self.nodes)}; do
                rm -rf $node/upper $node/work && mkdir $node/work && cp -a saved/{name}/$node/upper $node/ || exit 1
            done
        """)
        for node in self.nodes:
            node.mount_disk()
        self.client.clear()
        self.watcher.clear()

    # --- observation -----------------------------------------------------------------------------------------------

    @property
    def invariants(self) -> Invariants:
        """What the watcher has seen up to now."""
        return self.watcher.invariants()

    def active(self) -> Node | None:
        """The node whose cranectld holds a lock; None when there is none. Raises AssertionError when there are two."""
        return self.watcher.active()

    def wait_until(self, description: str, predicate: Callable[[], object], deadline: float) -> float:
        """waiting.wait_until with this lab's diagnosis."""
        return waiting.wait_until(description, predicate, deadline, self.diagnosis)

    def diagnosis(self) -> str:
        """What a person would look at first when a state does not come."""
        parts = ["--- client", self.client.timeline(), "--- watcher", self.watcher.timeline()]
        for node in self.nodes:
            parts.append(f"--- {node}: {'on' if node.is_on else 'off'}, addresses {' '.join(node.addresses())}")
            try:
                parts.append(node.run(LOOK, check=False, timeout=20).stdout)
            except AssertionError as error:  # it is off, or going down
                parts.append(str(error))
            parts += [f"--- {node}: {unit}'s journal\n{node.journal(unit, 40)}" for unit in ("keepalived", "cranectld")]
        return "\n".join(parts)


def require_host() -> None:
    """Raises RuntimeError naming what this host lacks."""
    if os.geteuid():
        raise RuntimeError("the lab needs root: it boots two nodes")
    missing = [package for program, package in NEEDED.items() if not shutil.which(program, path=ENVIRONMENT["PATH"])]
    if missing:
        raise RuntimeError(f"the lab needs: apt-get install {' '.join(missing)}")
