"""Is an address here, is a link up: asked of the kernel itself, which costs the heartbeat no process and no shell."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from typing import Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

# linux/netlink.h and linux/rtnetlink.h
_NLMSG_ERROR, _NLMSG_DONE, _RTM_NEWADDR, _RTM_GETADDR = 2, 3, 20, 22
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR, _RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
# linux/sockios.h and linux/if.h
_SIOCGIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8913, 0x1, 0x40
_HEADER = struct.Struct("=IHHII")
_IFADDR = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")


def has_address(interface: str, address: str) -> bool:
    """Does the interface carry the address? False also when there is no such interface. Raises OSError."""
    try:
        index = socket.if_nametoindex(interface)
    except OSError:
        return False
    return (index, ipaddress.ip_address(address)) in set(_addresses())


def link_is_up(interface: str) -> bool:
    """Is the interface up, and its cable in? False also when there is no such interface. (netdevice(7))"""
    request = struct.pack("16sh22x", os.fsencode(interface), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asked:
        try:
            flags = struct.unpack_from("=h", fcntl.ioctl(asked, _SIOCGIFFLAGS, request), 16)[0]
        except OSError:
            return False
    return bool(flags & _IFF_UP and flags & _IFF_RUNNING)


class Monitor:
    """A socket that becomes readable when a link or an address of this machine changes."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """For poll(2)."""
        return self._socket.fileno()

    def drain(self) -> None:
        """Forget what came: the caller looks at what is true now, not at what was said."""
        while True:
            try:
                self._socket.recv(65536)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: more came than the socket held
                continue


def _addresses() -> Iterator[tuple[int, Address]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as asked:
        body = _IFADDR.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        size = _HEADER.size + len(body)
        asked.send(_HEADER.pack(size, _RTM_GETADDR, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0) + body)
        while True:
            data = asked.recv(65536)
            while data:
                length, kind, _, _, _ = _HEADER.unpack_from(data)
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    code = struct.unpack_from("=i", data, _HEADER.size)[0]
                    raise OSError(-code, os.strerror(-code), "RTM_GETADDR")
                if kind == _RTM_NEWADDR:
                    yield from _address(data[_HEADER.size : length])
                data = data[_aligned(length) :]


def _address(message: bytes) -> Iterator[tuple[int, Address]]:
    _, _, _, _, index = _IFADDR.unpack_from(message)
    attributes: dict[int, bytes] = {}
    rest = message[_IFADDR.size :]
    while len(rest) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(rest)
        attributes[kind] = rest[_ATTRIBUTE.size : length]
        rest = rest[_aligned(length) :]
    packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
    if packed:
        yield index, ipaddress.ip_address(packed)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
