"""The kernel's answers, held against what ``ip`` says of this machine."""

from __future__ import annotations

import json
import subprocess

from crane_keepalived import netlink


def test_every_address_that_ip_shows_is_found() -> None:
    shown = json.loads(subprocess.run(["ip", "-json", "address"], check=True, capture_output=True).stdout)
    pairs = [(link["ifname"], info["local"]) for link in shown for info in link.get("addr_info", [])]
    assert pairs
    assert all(netlink.has_address(name, address) for name, address in pairs)


def test_an_address_is_not_on_another_interface_nor_on_none() -> None:
    assert not netlink.has_address("lo", "203.0.113.9")
    assert not netlink.has_address("no-such-one", "127.0.0.1")


def test_ipv6_spellings_are_one_address() -> None:
    if netlink.has_address("lo", "::1"):
        assert netlink.has_address("lo", "0:0:0:0:0:0:0:1")


def test_link_is_up() -> None:
    assert netlink.link_is_up("lo")
    assert not netlink.link_is_up("no-such-one")
