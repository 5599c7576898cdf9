"""Two nodes inside the machine, and the NFS server whose storage they share: the machine itself.

Each node is a systemd-nspawn container with a network namespace of its own. So it is an NFS client of its own, with its
own lease, and its two cables can be cut one by one: `ens33` leads to the other node and to the clients, `san` to the
server. Kernel and clock are the machine's: one monotonic time for nodes, server and ledger.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

from lab import waiting
from lab.ledger import Ledger
from lab.network import VIP
from lab.pair import other_line
from lab.processes import Command, argv_of

from .machine import Machine

LEASE = 30  # what the README recommends; a third of it is the watchdog's, and an emulated machine may stall for seconds
WATCHDOG, TAKEOVER = LEASE / 3, 2.0
SHARE, EXPORT = "/nfs/crane", "/srv/crane"
LOCKS = f"{EXPORT}/cranectld"
SERVER = "10.9.0.1"
SETTLED = 120.0  # seconds on an emulated machine that may share its two cores; a lease and a grace are in it
STANDS_BY = "standby: waits for the storage lock"
# of the machine's own units, what a node must not start as well
NOT_A_NODES = "lan.service var-crane.mount nfs-server.service ssh.service auditd.service rpcbind.service rpcbind.socket"

NFS_CONF = f"""\
[nfsd]
lease-time={LEASE}
grace-time={LEASE}
"""
MOUNT = f"""\
[Unit]
Description=The shared storage

[Mount]
What={SERVER}:{EXPORT}
Where={SHARE}
Type=nfs
Options=vers=4.2,hard

[Install]
WantedBy=remote-fs.target
"""
KNOBS = f"LEDGER={SHARE}/ledger\nLEDGER_EVERY=0.2\n"


class Node:
    """One of the two; `name` is its host name, too."""

    def __init__(self, machine: Machine, number: int) -> None:
        self.machine = machine
        self.name = f"node{number}"
        self.lan, self.san = f"192.168.1.{10 + number}", f"10.9.0.{10 + number}"
        self.disk = f"/run/nodes/{self.name}"

    def __repr__(self) -> str:
        return self.name

    # --- power -----------------------------------------------------------------------------------------------------

    def format_disk(self) -> None:
        """A layer in memory over the machine's own root."""
        etc = f"{self.disk}/upper/etc"
        self.machine.run(f"""
            mkdir -p {self.disk} && mount -t tmpfs {self.name} {self.disk}
            mkdir -p {etc}/systemd/system/remote-fs.target.wants {etc}/crane {self.disk}/work {self.disk}/root
            mkdir -p {self.disk}/upper{SHARE}
            echo {self.name} >{etc}/hostname
            echo {self.name} | sha256sum | cut -c 1-32 >{etc}/machine-id
            for unit in {NOT_A_NODES}; do ln -s /dev/null {etc}/systemd/system/$unit; done
            ln -s ../nfs-crane.mount {etc}/systemd/system/remote-fs.target.wants/
            mount -t overlay -o lowerdir=/,upperdir={self.disk}/upper,workdir={self.disk}/work none {self.disk}/root
        """)
        self.machine.write(f"{self.disk}/root/etc/systemd/system/nfs-crane.mount", MOUNT)
        self.machine.write(f"{self.disk}/root/etc/crane/standin.conf", KNOBS)

    def power_on(self) -> None:
        """Plugs both cables in and boots; returns when systemd has nothing left to start."""
        space = self.name
        lines = [f"ip netns add {space}", f"ip -n {space} link set lo up"]
        for bridge, interface, address in (("lan", "ens33", self.lan), ("san", "san", self.san)):
            port = f"{bridge}-{self.name}"
            lines += [
                f"ip link add {port} type veth peer name {interface} netns {space}",
                f"ip link set {port} master {bridge} up",
                f"ip -n {space} address add {address}/24 dev {interface}",
                f"ip -n {space} link set {interface} up",
            ]
        container = [
            *("systemd-nspawn", "--boot", "--quiet", "--register=no", "--keep-unit", "--link-journal=no"),
            *("--resolv-conf=off", "--timezone=off", "--console=read-only", "--capability=CAP_NET_ADMIN"),
            *("--notify-ready=yes", f"--network-namespace-path=/run/netns/{space}"),
            *(f"--directory={self.disk}/root", f"--machine={self.name}", f"--hostname={self.name}"),
        ]
        unit = ["systemd-run", f"--unit={space}", "--collect", "--property=Delegate=yes", "--service-type=notify"]
        self.machine.run(" && ".join([*lines, shlex.join([*unit, *container])]))

    def power_off_hard(self) -> float:
        """A power cut: both cables dark, every process gone, nothing said to the server. Returns when."""
        dark = " && ".join(f"ip link delete {bridge}-{self.name}" for bridge in ("lan", "san"))
        told = self.machine.run(f"{dark} && {NOW} && kill -9 {self._leader()} && ip netns delete {self.name}")
        return float(told.stdout)

    def _leader(self) -> str:
        main = f"$(systemctl show --value --property=MainPID {self.name})"
        return f'$(cut -d " " -f 1 "/proc/{main}/task/{main}/children")'

    # --- storage ---------------------------------------------------------------------------------------------------

    def cut_storage(self) -> float:
        """From now on the server and the node do not hear each other, though both have a carrier. Returns when."""
        rules = (f"ip saddr {self.san} drop", f"ip daddr {self.san} drop")
        lines = [f"nft add rule inet cut {chain} {rule}" for chain in ("input", "output") for rule in rules]
        return float(self.machine.run(" && ".join([*lines, NOW])).stdout)

    # --- what runs there -------------------------------------------------------------------------------------------

    def run(self, command: Command, check: bool = True, timeout: float = 300) -> CompletedProcess[str]:
        """Runs a program or shell line in the node as root. Raises CommandFailed."""
        inside = shlex.join(argv_of(command))
        return self.machine.run(f'nsenter --target "{self._leader()}" --all -- {inside}', check, timeout)

    def said(self, text: str, after: float = 0.0) -> float:
        """When cranectld's unit said this first after a time; waits for it."""
        found: list[float] = []

        def look() -> bool:
            argv = ["journalctl", "--quiet", "--no-pager", "--output=short-monotonic", "--unit=cranectld"]
            lines = [line for line in self.run(argv).stdout.splitlines() if text in line]
            found[:] = [time for time in (float(line.lstrip("[ ").partition("]")[0]) for line in lines) if time > after]
            return bool(found)

        waiting.wait_until(f"{self} says: {text}", look, SETTLED, self.last_words)
        return found[0]

    def last_words(self) -> str:
        """The end of the node's journal."""
        argv = ["journalctl", "--quiet", "--no-pager", "--output=short-monotonic", "--lines=40"]
        return "\n".join(line[:200] for line in self.run(argv, False).stdout.splitlines())

    def kill_daemon(self) -> float:
        """kill -9 of cranectld itself. Returns when."""
        kill = "systemctl kill --kill-whom=main --signal=KILL cranectld.service"
        return float(self.run(f"{NOW}; {kill}").stdout)

    def forget_writes(self) -> None:
        """What a reboot of the node's kernel does, and crane-keepalived-fence.service is for (test_fence.py).

        Until then processes that were killed sleep in writes that the server does not answer. A forced umount, in a
        mount namespace that ends with it, has the kernel give them up, again and again until the last one has ended.
        """
        umount = f"unshare --mount umount --internal-only --no-canonicalize --force {SHARE} 2>/dev/null || :"
        stuck = "ps -eo stat,user | grep -q '^D.* crane'"
        self.run(f"for try in $(seq 100); do {stuck} || exit 0; {umount}; sleep 0.1; done; exit 1")

    def is_active(self) -> bool:
        """Does cranectld run here, with the lock and the address?"""
        return self._unit() == ("running", "active: holds the storage lock, has the address")

    def stands_by(self) -> bool:
        """Does the node wait in the queue, and see that the other one is well?"""
        state, said = self._unit()
        return state == "running" and said.startswith(STANDS_BY) and "silent" not in said

    def _unit(self) -> tuple[str, str]:
        asked = "systemctl show --property=SubState --property=StatusText cranectld.service"
        told = dict(line.split("=", 1) for line in self.run(asked).stdout.splitlines())
        return told["SubState"], told["StatusText"]


NOW = "cut -d ' ' -f 1 /proc/uptime"


class Pair:
    """Both nodes, set up and ready."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.nodes = (Node(machine, 1), Node(machine, 2))

    # --- once ------------------------------------------------------------------------------------------------------

    def build(self) -> None:
        """From the bare machine to two nodes that are ready."""
        node1, node2 = self.nodes
        self._install()
        self._serve()
        for node in self.nodes:
            node.format_disk()
            node.power_on()
        # the kernel that would have to forget what a dead daemon was about to write is both nodes: see forget_writes
        said = node1.run(["crane-ha-setup", "--role", "master", "--vip", VIP, "--no-reboot-stuck"]).stdout
        node2.run(other_line(said))
        self.wait_ready()

    def _install(self) -> None:
        shared = f"s|^  CraneSharedBaseDir: .*|  CraneSharedBaseDir: {SHARE}/\\n  StorageLease: {LEASE}|"
        self.machine.run(f"""
            set -e
            setenforce 0
            rpm --erase crane-lab-distribution-selinux
            dnf -y install crane-keepalived
            sed -i '{shared}' /etc/crane/config.yaml
        """)

    def _serve(self) -> None:
        """The machine becomes the server, for these two clients."""
        self.machine.write("/etc/nfs.conf.d/lease.conf", NFS_CONF)
        self.machine.write("/etc/exports", f"{EXPORT} 10.9.0.0/24(rw,sync,no_subtree_check,root_squash)\n")
        self.machine.run(f"""
            set -e
            systemctl stop var-crane.mount
            systemctl restart nfs-server
            grep -qx {LEASE} /proc/fs/nfsd/nfsv4leasetime
            for bridge in lan san; do ip link add $bridge type bridge stp_state 0 forward_delay 0 mcast_snooping 0; done
            ip link set lan up
            ip link set san up
            ip address add {SERVER}/24 dev san
            nft add table inet cut
            nft add chain inet cut input '{{ type filter hook input priority 0; }}'
            nft add chain inet cut output '{{ type filter hook output priority 0; }}'
        """)
        self.machine.write("/root/watch", Path(__file__).with_name("watch_locks.py").read_text(), 0o755)
        self.machine.run("systemd-run --unit=watch --property=StandardOutput=file:/run/locks /root/watch")

    # --- states ----------------------------------------------------------------------------------------------------

    def wait_ready(self) -> None:
        """One serves and the other stands by."""

        def ready() -> bool:
            return any(one.is_active() and other.stands_by() for one, other in (self.nodes, self.nodes[::-1]))

        self._wait("one node serves and the other stands by", ready)

    def _wait(self, state: str, predicate: Callable[[], object]) -> None:
        waiting.wait_until(state, predicate, SETTLED, self.diagnosis)

    def roles(self) -> tuple[Node, Node]:
        """The active node, and the other one."""
        node1, node2 = self.nodes
        return (node1, node2) if node1.is_active() else (node2, node1)

    def wait_active(self, node: Node) -> None:
        self._wait(f"{node} serves", node.is_active)

    def wait_standby(self, node: Node) -> None:
        self._wait(f"{node} stands by", node.stands_by)

    def now(self) -> float:
        """The one clock of server and nodes."""
        return float(self.machine.run(NOW).stdout)

    def made(self, path: str) -> float:
        """When a file of the server came into being, by the one clock."""
        born, wall, now = map(float, self.machine.run(f"stat --format=%.3W {path}; date +%s.%3N; {NOW}").stdout.split())
        return now - (wall - born)

    def mend_storage(self) -> float:
        """The server hears every node again. Returns when."""
        return float(self.machine.run(f"nft flush table inet cut && {NOW}").stdout)

    # --- what the server knows -------------------------------------------------------------------------------------

    def written(self) -> str:
        """The ledger as it stands on the server's own disk."""
        return self.machine.run(["cat", f"{EXPORT}/ledger"]).stdout

    def never_two(self, written: str = "") -> Ledger:
        """What the daemons wrote, after what they are known to have written. Raises AssertionError for two at once."""
        ledger, text = Ledger(), self.written()
        assert text.startswith(written), "what was written before was written over"
        overlaps = ledger.add(text)
        assert not overlaps, "\n".join(map(str, overlaps)) + "\n" + ledger.around(overlaps[0].time, 20)
        return ledger

    def diagnosis(self) -> str:
        """Who had the lock, and what the nodes said last."""
        return "\n".join([self.machine.run("cat /run/locks").stdout, *(node.last_words() for node in self.nodes)])

    def moved(self, new: Node, after: float) -> tuple[float, float]:
        """When the server freed ha.lock after a time, and when it gave it to the node; waits for both."""
        seen: list[tuple[float, str]] = []

        def look() -> bool:
            lines = (line.partition(" ") for line in self.machine.run(["cat", "/run/locks"]).stdout.splitlines())
            seen[:] = [(float(time), name) for time, _, name in lines if float(time) > after]
            return bool(seen) and seen[-1][1] == new.name

        self._wait(f"the server gives the lock to {new}", look)
        # who asks and is refused stands there beside the holder, for a moment
        return next(time for time, names in seen if names in ("", new.name)), seen[-1][0]
