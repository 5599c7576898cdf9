"""Samples the nodes from outside every 20 ms: who has the address, whose cranectld holds a lock; prints what it sees.

    watch_nodes.py ADDRESS...   ->   lines of JSON: t (monotonic), addresses ({node: [..]}), daemons ({node: [pid..]})

Runs in the lab's mount and pid namespaces: /proc shows the lab alone, /run/netns the nodes' networks. A daemon is a
process named cranectld (which it is only past its exec) with a lock of its own, not only ha.lock that it inherits:
without its own lock it would touch nothing, and end. A line comes at every change, and at least at every other sample.
Plain os calls: this runs beside what is measured.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
import sys
import time

PERIOD, HEARTBEAT = 0.020, 0.04
CLONE_NEWNET = 0x40000000
RTM_NEWADDR, RTM_GETADDR, NLM_F_REQUEST_DUMP, NLMSG_DONE, IFA_ADDRESS, IFA_LOCAL = 20, 22, 0x301, 3, 1, 2

libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """A netlink socket into a node's network namespace."""

    def __init__(self, name: str) -> None:
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{name}", os.O_RDONLY)
        try:
            if libc.setns(there, CLONE_NEWNET):
                raise OSError("not a namespace yet")
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            self.socket.bind((0, 0))
        finally:
            libc.setns(home, CLONE_NEWNET)
            os.close(home)
            os.close(there)

    def addresses(self) -> list[str]:
        self.socket.send(struct.pack("=IHHIIBBBBI", 24, RTM_GETADDR, NLM_F_REQUEST_DUMP, 1, 0, 0, 0, 0, 0, 0))
        found: list[str] = []
        while True:
            data = self.socket.recv(65536)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind == NLMSG_DONE:
                    return found
                if kind == RTM_NEWADDR:
                    found.append(self.address(data[16:length]))
                data = data[(length + 3) & ~3 :]

    @staticmethod
    def address(message: bytes) -> str:
        family, attributes, best = message[0], message[8:], b""
        while len(attributes) >= 4:
            length, kind = struct.unpack_from("=HH", attributes)
            if kind == IFA_LOCAL or (kind == IFA_ADDRESS and not best):
                best = attributes[4:length]
            attributes = attributes[(length + 3) & ~3 :]
        return socket.inet_ntop(family, best)


class Processes:
    """Knows each process's node and keeps its comm open, so that a sample costs one read for each."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[int, str]] = {}

    def daemons(self) -> dict[str, list[int]]:
        pids = [name for name in os.listdir("/proc") if name.isdigit()]
        for gone in set(self.known).difference(pids):
            os.close(self.known.pop(gone)[0])
        found: dict[str, list[int]] = {}
        for pid in pids:
            try:
                if pid not in self.known:
                    self.known[pid] = os.open(f"/proc/{pid}/comm", os.O_RDONLY), ""
                if os.pread(self.known[pid][0], 32, 0) == b"cranectld\n" and self.locked(pid):
                    found.setdefault(self.node(pid), []).append(int(pid))
            except OSError:  # it ended meanwhile; a number used again is opened anew
                if pid in self.known:
                    os.close(self.known.pop(pid)[0])
        return found

    @staticmethod
    def node(pid: str) -> str:
        """A process's node, by what it sees as its root: true also of one that a test entered into the node."""
        with open(f"/proc/{pid}/root/etc/hostname") as file:
            return file.read().strip()

    @staticmethod
    def locked(pid: str) -> bool:
        folder = f"/proc/{pid}/fdinfo"
        for name in os.listdir(folder):
            with open(f"{folder}/{name}") as file:
                if "\nlock:" in file.read() and "/ha.lock" not in os.readlink(f"/proc/{pid}/fd/{name}"):
                    return True
        return False


class Networks:
    def __init__(self, interesting: set[str]) -> None:
        self.interesting = interesting
        self.open: dict[str, Network] = {}

    def addresses(self) -> dict[str, list[str]]:
        names = [name for name in os.listdir("/run/netns") if name.startswith("node")]
        for gone in set(self.open).difference(names):
            self.open.pop(gone).socket.close()
        found = {}
        for name in names:
            try:
                if name not in self.open:
                    self.open[name] = Network(name)
                here = sorted(self.interesting.intersection(self.open[name].addresses()))
            except OSError:
                continue
            if here:
                found[name.split("-")[0]] = here
        return found


def main(addresses: list[str]) -> None:
    networks, processes = Networks(set(addresses)), Processes()
    before: tuple[object, object] = (None, None)
    told = 0.0
    due = time.monotonic()
    while True:
        daemons = processes.daemons()
        if sum(map(len, daemons.values())) > 1:  # one ended and the other began between two reads? then not twice
            again = processes.daemons()
            daemons = {node: [p for p in pids if p in again.get(node, [])] for node, pids in daemons.items()}
            daemons = {node: pids for node, pids in daemons.items() if pids}
        now = time.monotonic()
        state = (networks.addresses(), daemons)
        if state != before or now - told > HEARTBEAT:
            print(json.dumps({"t": round(now, 4), "addresses": state[0], "daemons": state[1]}), flush=True)
            before, told = state, now
        due = max(due + PERIOD, now)
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1:])
