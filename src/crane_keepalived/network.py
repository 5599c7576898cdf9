"""Interfaces and addresses of this node, as `ip -j address` tells them, and names, as the resolver does."""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import Findings, HaError
from .model import IpAddress, IpInterface
from .run import run, within

# a name service that is slower than this, in seconds, is not waited for
RESOLVE_LIMIT = 2.0


@dataclass(frozen=True)
class Interface:
    """A network interface and the addresses that are its own: no virtual one, which a running pair has here already."""

    name: str
    addresses: tuple[IpInterface, ...]

    def holds(self, address: IpAddress) -> bool:
        """Does the address lie in a network of this interface?"""
        return any(address in own.network for own in self.addresses)

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(str(own.network) for own in self.addresses) or 'no address'})"


def interfaces(virtual: Sequence[IpInterface]) -> tuple[Interface, ...]:
    """The node's interfaces but loopback. Raises ProgramError."""
    return parse(run("ip", "-j", "address", "show").stdout, virtual)


def parse(text: str, virtual: Sequence[IpInterface] = ()) -> tuple[Interface, ...]:
    """Read the output of `ip -j address show`, leaving the virtual addresses out."""
    passing = {address.ip for address in virtual}
    found = []
    for link in json.loads(text):
        if "ifname" in link and "LOOPBACK" not in link.get("flags", ()):
            infos = [info for info in link.get("addr_info", ()) if "local" in info]
            addresses = [ipaddress.ip_interface(f"{info['local']}/{info['prefixlen']}") for info in infos]
            found.append(Interface(link["ifname"], tuple(own for own in addresses if own.ip not in passing)))
    return tuple(found)


def choose(
    wanted: Sequence[IpInterface], known: Sequence[Interface], place: str, findings: Findings
) -> tuple[str, str]:
    """The interface whose network holds the first address, and why it; what stands against it goes to the findings."""
    first = wanted[0].ip
    fitting = [link for link in known if link.holds(first)]
    if len(fitting) != 1:
        where = f"networks of {len(fitting)} interfaces" if fitting else "no network of this node"
        candidates = ", ".join(map(str, fitting or known)) or "none"
        cure = f"choose another address, or name the interface with --interface; there are: {candidates}"
        findings.error(place, f"{first} lies in {where}", cure)
        return "", ""
    link = fitting[0]
    check(link, wanted[1:], place, findings)
    network = next(own.network for own in link.addresses if first in own.network)
    return link.name, f"its network {network} holds {first}"


def check_named(
    name: str, wanted: Sequence[IpInterface], known: Sequence[Interface], place: str, findings: Findings
) -> None:
    """Is the interface that was named there, and in a network with the addresses?"""
    named = [link for link in known if link.name == name]
    if named:
        check(named[0], wanted, place, findings)
    else:
        candidates = ", ".join(map(str, known)) or "none"
        findings.error(place, f"there is no interface {name} on this node", f"choose one; there are: {candidates}")


def check(link: Interface, wanted: Sequence[IpInterface], place: str, findings: Findings) -> None:
    """Do the addresses lie in a network of the interface?"""
    for address in wanted:
        if not link.holds(address.ip):
            findings.error(place, f"{address.ip} lies in no network of {link}", "choose an address of its network")


def split_peers(peers: Sequence[IpAddress], link: Interface) -> tuple[str, tuple[str, ...]]:
    """Our own address among the nodes', empty when it is not there, and the others."""
    own = {address.ip for address in link.addresses}
    mine = [str(peer) for peer in peers if peer in own]
    return (mine[0] if mine else ""), tuple(str(peer) for peer in peers if peer not in own)


def check_control_machine(name: str, place: str, wanted: Sequence[IpInterface], findings: Findings) -> None:
    """Warn when the name that every client connects to does not lead to a virtual address."""

    def ask() -> list[str]:
        try:
            return sorted({str(found[4][0]) for found in socket.getaddrinfo(name, None)})
        except OSError:
            return []

    try:
        found = within(RESOLVE_LIMIT, ask)
    except HaError:
        found = []
    if not set(found) & {str(address.ip) for address in wanted}:
        what = f"{name} resolves to {', '.join(found)}" if found else f"{name} does not resolve here"
        cure = f"let {name} be {wanted[0].ip} in DNS or in /etc/hosts, on every host of the cluster"
        findings.warn(place, f"{what}, not to {wanted[0].ip}: clients would not follow a failover", cure)
