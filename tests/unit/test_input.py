"""What people write wrong: all of it in one go, a line each that names its key and the cure, and nothing written."""

from __future__ import annotations

import pytest

from .conftest import ARGUMENTS, GOOD, Folder, keepalived

LIKE = "write it like 192.168.1.211 or 192.168.1.211/24"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        # cranectld's own keys
        (
            "CraneCtldForeground: true\n",
            "Keepalived: is missing; add this section, with CraneSharedBaseDir: the folder that both nodes share",
        ),
        (
            GOOD.replace("  CraneSharedBaseDir: /nfs/crane\n", ""),
            "Keepalived.CraneSharedBaseDir: is missing; name the folder that both nodes share",
        ),
        (
            GOOD.replace("CraneSharedBaseDir", "CraneShareBaseDir"),
            "Keepalived.CraneSharedBaseDir: is missing; did you mean it by CraneShareBaseDir?",
        ),
        (
            GOOD.replace("/nfs/crane", "nfs/crane"),
            "Keepalived.CraneSharedBaseDir: nfs/crane is relative; write the whole path, beginning with /",
        ),
        (
            GOOD.replace("/nfs/crane", ""),
            "Keepalived.CraneSharedBaseDir: is empty; give a value or remove the key",
        ),
        (
            GOOD.replace(" /nfs/crane", "\n    - /nfs/crane"),
            "Keepalived.CraneSharedBaseDir: is a list; give one value",
        ),
        (
            GOOD.replace(": /nfs", ":\n    Path: /nfs"),
            "Keepalived.CraneSharedBaseDir: holds keys of its own; give one value",
        ),
        (GOOD.replace("/var/crane", "var"), "CraneBaseDir: var is relative; write the whole path, beginning with /"),
        (
            GOOD.replace("/var/crane", '"/var\\ncrane"'),
            "CraneBaseDir: '/var\\ncrane' holds a line break or another control character; remove it",
        ),
        (GOOD + "CraneCtldMutexFilePath: locks/\n", "CraneCtldMutexFilePath: locks/ is a folder; name a file"),
        (
            GOOD + "CraneCtldMutexFilePath: cranectld/ha.lock\n",
            "CraneCtldMutexFilePath: cranectld/ha.lock has the name of our own lock, which lies beside it; "
            "choose another name",
        ),
        (keepalived("CraneCtldAliveFile: .."), "Keepalived.CraneCtldAliveFile: .. is a folder; name a file"),
        (
            GOOD.replace("CraneCtldForeground: true\n", ""),
            "CraneCtldForeground: is not true (false is cranectld's default): in the background it leaves its unit, "
            "and its lock with it; set it to true",
        ),
        (
            GOOD.replace(": true", ": perhaps"),
            "CraneCtldForeground: perhaps is neither true nor false; write true or false",
        ),
        (
            GOOD + "CraneCtldListenAddr: 192.168.1.11\n",
            "CraneCtldListenAddr: 192.168.1.11 is one address, and cranectld starts before the virtual one is there; "
            "set it to 0.0.0.0, every address",
        ),
        # the section
        (
            GOOD.replace("Keepalived:\n", "Keepalived: on\nx:\n"),
            "Keepalived: is no section; write its keys indented below it",
        ),
        (
            keepalived("VirtualRuterId: 3"),
            "Keepalived.VirtualRuterId: is no key of crane-keepalived; did you mean VirtualRouterId?",
        ),
        (
            keepalived("virtualrouterid: 3"),
            "Keepalived.virtualrouterid: is no key of crane-keepalived; did you mean VirtualRouterId?",
        ),
        (
            keepalived("Colour: red"),
            "Keepalived.Colour: is no key of crane-keepalived; remove it; man 8 crane-ha-setup lists the keys",
        ),
        (
            keepalived("Priority: {Node: 3}"),
            "Keepalived.Priority: holds keys of its own; give one value, or a list of values",
        ),
        (
            keepalived("Priority: 1\n  Priority: 2"),
            "Keepalived.Priority: is written in line 6 and in line 7; remove one",
        ),
        # our keys
        (
            keepalived("VirtualRouterId: 0"),
            "Keepalived.VirtualRouterId: 0 is not a whole number from 1 to 255; choose 1 to 255",
        ),
        (
            keepalived("VirtualRouterId: 256"),
            "Keepalived.VirtualRouterId: 256 is not a whole number from 1 to 255; choose 1 to 255",
        ),
        (keepalived("Priority: 255"), "Keepalived.Priority: 255 is not a whole number from 1 to 254; choose 1 to 254"),
        (keepalived("Priority: ten"), "Keepalived.Priority: ten is not a whole number from 1 to 254; choose 1 to 254"),
        (keepalived("Priority: [1, 2]"), "Keepalived.Priority: is a list; give one value"),
        (keepalived("Priority:"), "Keepalived.Priority: is empty; give a value or remove the key"),
        (
            keepalived("AdvertInterval: soon"),
            "Keepalived.AdvertInterval: soon is not a number of seconds; write it like 0.2",
        ),
        (
            keepalived("AdvertInterval: .nan"),
            "Keepalived.AdvertInterval: .nan is not a number of seconds; write it like 0.2",
        ),
        (
            keepalived("AdvertInterval: 41"),
            "Keepalived.AdvertInterval: 41 is not what VRRP 3 can count; choose 0.01 to 40.95, in steps of 0.01",
        ),
        (
            keepalived("AdvertInterval: 0.005"),
            "Keepalived.AdvertInterval: 0.005 is not what VRRP 3 can count; choose 0.01 to 40.95, in steps of 0.01",
        ),
        (
            keepalived("AdvertInterval: 0.5\n  VrrpVersion: 2"),
            "Keepalived.AdvertInterval: 0.5 is not what VRRP 2 can count; choose 1 to 255, in steps of 1",
        ),
        (
            keepalived("VrrpVersion: 4"),
            "Keepalived.VrrpVersion: 4 is no VRRP version that keepalived speaks; choose 2 or 3",
        ),
        (keepalived("Failback: maybe"), "Keepalived.Failback: maybe is neither true nor false; write true or false"),
        (
            keepalived("StorageLease: 14"),
            "Keepalived.StorageLease: 14 is not a whole number of seconds from 15 to 3600; choose 15 to 3600",
        ),
        (
            keepalived("CheckInterval: 0.5"),
            "Keepalived.CheckInterval: 0.5 is not a whole number of seconds from 1 to 60; choose 1 to 60",
        ),
        (
            keepalived("UnicastPeers: [node2]"),
            "Keepalived.UnicastPeers: node2 is not an IP address; name the nodes' own addresses",
        ),
        (
            keepalived("UnicastPeers: [fd00::12]"),
            "Keepalived.UnicastPeers: fd00::12 is not of the same family as 192.168.1.211; "
            "name the nodes' IPv4 addresses",
        ),
        (
            keepalived("AuthPassFile: /etc/pass"),
            "Keepalived.AuthPassFile: VRRP 3 has no passwords; remove it, or choose --vrrp-version 2",
        ),
    ],
)
def test_one_error_each(folder: Folder, config: str, said: str) -> None:
    code, lines = folder.setup(config, *ARGUMENTS)
    # without its section the file names no address either; a password file is missing as well
    others = ("warning: ", "--vip: no virtual address", f"Keepalived.AuthPassFile: {folder.root}")
    assert (code, [line for line in lines if not line.startswith(others)]) == (2, [said])
    assert not list(folder.root.iterdir())


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("192.168.1.256", f"is not an IP address; {LIKE}"),
        ("192.168.1.211/33", f"is not an IP address; {LIKE}"),
        ("cn15", f"is not an IP address; {LIKE}"),
        (
            "10.0.0.1/255.0.0.0",
            f"is not an address with a prefix length; {LIKE}",
        ),
        ("fe80::1%eth0", f"is not an address with a prefix length; {LIKE}"),
        ("127.0.0.1", "cannot move between nodes; choose a free address of the nodes' network"),
        ("224.0.0.18", "cannot move between nodes; choose a free address of the nodes' network"),
        ("0.0.0.0", "cannot move between nodes; choose a free address of the nodes' network"),
        ("::", "cannot move between nodes; choose a free address of the nodes' network"),
        ("10.0.0.0/24", "is the network's own or its broadcast address; choose a free address"),
        ("10.0.0.255/24", "is the network's own or its broadcast address; choose a free address"),
    ],
)
def test_no_address(folder: Folder, address: str, said: str) -> None:
    assert folder.setup(GOOD, *ARGUMENTS, "--vip", address) == (2, [f"--vip: {address} {said}"])


def test_an_address_given_twice(folder: Folder) -> None:
    code, lines = folder.setup(GOOD, *ARGUMENTS, "--vip", "10.0.0.1", "--vip", "10.0.0.1/24")
    assert (code, lines) == (2, ["--vip: names an address twice; name each once"])


def test_vrrp_2_carries_no_ipv6(folder: Folder) -> None:
    config = GOOD + "CraneCtldListenAddr: '::'\n"
    code, lines = folder.setup(config, *ARGUMENTS, "--vip", "fd00::1", "--vrrp-version", "2")
    assert (code, lines) == (2, ["--vip: VRRP 2 cannot carry fd00::1; choose --vrrp-version 3"])
