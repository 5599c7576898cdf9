"""Which interface the addresses belong on, from what `ip -j address` says."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

import pytest

from crane_keepalived import network
from crane_keepalived.errors import Findings

from .conftest import addresses

# as iproute2 prints it, shortened
IP_J = """[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"operstate":"UNKNOWN",
"addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host","label":"lo"}]},
{"ifindex":2,"link_index":4,"ifname":"ens33","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"operstate":"UP",
"addr_info":[{"family":"inet","local":"192.168.1.11","prefixlen":24,"broadcast":"192.168.1.255","scope":"global"},
{"family":"inet","local":"192.168.1.211","prefixlen":32,"scope":"global","label":"ens33","secondary":true},
{"family":"inet6","local":"fe80::ff:fe00:111","prefixlen":64,"scope":"link","protocol":"kernel_ll"}]},
{"ifindex":3,"ifname":"ib0","flags":["BROADCAST","UP"],"addr_info":[]},{}]"""


def choose(wanted: str, *links: tuple[str, str]) -> tuple[str, str, list[str]]:
    findings = Findings()
    virtual = [ip_interface(address) for address in wanted.split()]
    name, why = network.choose(virtual, network.parse(addresses(*links), virtual), "--vip", findings)
    return name, why, [str(problem) for problem in findings.errors]


def check_named(name: str, wanted: str, *links: tuple[str, str]) -> list[str]:
    findings = Findings()
    virtual = [ip_interface(address) for address in wanted.split()]
    network.check_named(name, virtual, network.parse(addresses(*links), virtual), "--interface", findings)
    return [str(problem) for problem in findings.errors]


def test_loopback_and_virtual_addresses_do_not_count() -> None:
    found = network.parse(IP_J, [ip_interface("192.168.1.211/32")])
    assert [str(link) for link in found] == ["ens33 (192.168.1.0/24, fe80::/64)", "ib0 (no address)"]


@pytest.mark.parametrize(
    ("wanted", "name", "why"),
    [
        ("10.0.0.100", "eth0", "its network 10.0.0.0/24 holds 10.0.0.100"),
        ("10.0.0.100/32 10.0.0.101/24", "eth0", "its network 10.0.0.0/24 holds 10.0.0.100"),
        ("10.1.2.3", "ib0", "its network 10.1.0.0/16 holds 10.1.2.3"),
        ("fd00::100", "eth0", "its network fd00::/64 holds fd00::100"),
    ],
)
def test_the_interface_whose_network_holds_the_address(wanted: str, name: str, why: str) -> None:
    assert choose(wanted, ("eth0", "10.0.0.1/24,fd00::1/64"), ("ib0", "10.1.0.1/16")) == (name, why, [])


def test_one_that_is_here_already_counts_neither_as_network_nor_twice() -> None:
    assert choose("10.0.0.100/24", ("eth0", "10.0.0.1/24,10.0.0.100/24"))[0] == "eth0"
    assert choose("10.0.0.1", ("eth0", "10.0.0.1/24"))[2] == [
        "--vip: 10.0.0.1 lies in no network of this node; choose another address, or name the interface with "
        "--interface; there are: eth0 (no address)"
    ]


def test_none_and_two_are_refused_with_the_candidates() -> None:
    links = (("eth0", "10.0.0.1/24"), ("eth1", "10.0.0.2/16"), ("eth2", ""))
    assert choose("192.168.1.1", *links) == (
        "",
        "",
        [
            "--vip: 192.168.1.1 lies in no network of this node; choose another address, or name the interface with "
            "--interface; there are: eth0 (10.0.0.0/24), eth1 (10.0.0.0/16), eth2 (no address)"
        ],
    )
    assert choose("10.0.0.9", *links)[2] == [
        "--vip: 10.0.0.9 lies in networks of 2 interfaces; choose another address, or name the interface with "
        "--interface; there are: eth0 (10.0.0.0/24), eth1 (10.0.0.0/16)"
    ]


def test_all_addresses_rest_on_one_interface() -> None:
    links = (("eth0", "10.0.0.1/24"), ("eth1", "172.16.0.1/24"))
    assert choose("10.0.0.9 172.16.0.9 fd00::9", *links)[2] == [
        "--vip: 172.16.0.9 lies in no network of eth0 (10.0.0.0/24); choose an address of its network",
        "--vip: fd00::9 lies in no network of eth0 (10.0.0.0/24); choose an address of its network",
    ]


def test_a_named_interface_is_there_and_fits() -> None:
    links = (("eth0", "10.0.0.1/24,fd00::1/64"), ("eth1", "10.0.0.2/24"))
    assert check_named("eth1", "10.0.0.9", *links) == []
    assert check_named("eth0", "10.0.0.9 fd00::9 fd01::9", *links) == [
        "--interface: fd01::9 lies in no network of eth0 (10.0.0.0/24, fd00::/64); choose an address of its network"
    ]
    assert check_named("eth7", "10.0.0.9", *links) == [
        "--interface: there is no interface eth7 on this node; choose one; there are: "
        "eth0 (10.0.0.0/24, fd00::/64), eth1 (10.0.0.0/24)"
    ]


def test_a_node_is_not_its_own_peer() -> None:
    link = network.Interface("eth0", (ip_interface("10.0.0.1/24"),))
    nodes = [ip_address("10.0.0.1"), ip_address("10.0.0.2")]
    assert network.split_peers(nodes, link) == ("10.0.0.1", ("10.0.0.2",))
    assert network.split_peers(nodes[1:], link) == ("", ("10.0.0.2",))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("127.0.0.1", "127.0.0.1 resolves to 127.0.0.1, not to 10.0.0.9: clients would not follow a failover"),
        ("none.invalid", "none.invalid does not resolve here, not to 10.0.0.9: clients would not follow a failover"),
        ("10.0.0.9", None),
    ],
)
def test_the_control_machine_is_the_virtual_address(name: str, said: str) -> None:
    findings = Findings()
    network.check_control_machine(name, "ControlMachine", [ip_interface("10.0.0.9")], findings)
    assert [problem.what for problem in findings.warnings] == ([said] if said else [])
