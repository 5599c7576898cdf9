"""Our keys: names, options, defaults, and how each value is read. The one table behind options and files."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Any, Optional, Union

from .errors import BadValueError
from .model import IpAddress, IpInterface

Raw = Union[str, list[str]]


@dataclass(frozen=True)
class Key:
    """One key: its name in the files, its option, how to read it. ``default`` None: decided elsewhere, or none."""

    name: str
    option: str
    read: Callable[[Raw], Any]
    help: str
    metavar: str
    default: Optional[str] = None
    many: bool = False
    flag: bool = False
    # differs from node to node: no part of the line for the other one
    own: bool = False

    @property
    def dest(self) -> str:
        """argparse's name for it."""
        return self.option[2:].replace("-", "_")


def text(raw: Raw) -> str:
    """One word or path, as written. Raises BadValueError when empty, a list, or with control characters."""
    if not isinstance(raw, str):
        raise BadValueError("is a list", "give one value")
    if not raw:
        raise BadValueError("is empty", "give a value or remove the key")
    if any(ord(character) < 32 or ord(character) == 127 for character in raw):
        raise BadValueError(f"{raw!r} holds a line break or another control character", "remove it")
    return raw


def texts(raw: Raw) -> list[str]:
    """One value, or a list of them."""
    if raw == []:
        raise BadValueError("is an empty list", "give a value or remove the key")
    return [text(item) for item in (raw if isinstance(raw, list) else [raw])]


def whole(low: int, high: int, unit: str = "") -> Callable[[Raw], int]:
    """A reader for whole numbers from low to high."""

    def read(raw: Raw) -> int:
        value = text(raw)
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise BadValueError(f"{value} is not a whole number{unit} from {low} to {high}", f"choose {low} to {high}")
        return int(value)

    return read


def seconds(low: int, high: int) -> Callable[[Raw], int]:
    """A reader for whole seconds from low to high."""
    return whole(low, high, " of seconds")


def yes_no(raw: Raw) -> bool:
    """YAML's words for true and false."""
    value = text(raw).lower()
    if value in ("true", "yes", "on", "y"):
        return True
    if value in ("false", "no", "off", "n"):
        return False
    raise BadValueError(f"{raw} is neither true nor false", "write true or false")


def decimal_number(raw: Raw) -> Decimal:
    """A number with decimals; its range depends on the VRRP version (config.py)."""
    value = text(raw)
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise BadValueError(f"{value} is not a number of seconds", "write it like 0.2")
    return Decimal(format(number.normalize(), "f"))


def vrrp_version(raw: Raw) -> int:
    """2 or 3."""
    version = text(raw)
    if version not in ("2", "3"):
        raise BadValueError(f"{version} is no VRRP version that keepalived speaks", "choose 2 or 3")
    return int(version)


def interface_name(raw: Raw) -> str:
    """A network interface's name, as the kernel allows it."""
    value = text(raw)
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,15}", value) or value in (".", ".."):
        raise BadValueError(f"{value} cannot be an interface's name", "ip -br link lists them")
    return value


def absolute_path(raw: Raw) -> PurePosixPath:
    """An absolute path."""
    value = PurePosixPath(text(raw))
    if not value.is_absolute():
        raise BadValueError(f"{value} is relative", "write the whole path, beginning with /")
    return value


def virtual_addresses(raw: Raw) -> tuple[IpInterface, ...]:
    """The virtual addresses, with or without prefix length."""
    found = tuple(_virtual_address(value) for value in texts(raw))
    if len({address.ip for address in found}) < len(found):
        raise BadValueError("names an address twice", "name each once")
    return found


def _virtual_address(value: str) -> IpInterface:
    cure = "write it like 192.168.1.211 or 192.168.1.211/24"
    try:
        address = ipaddress.ip_interface(value)
    except ValueError:
        raise BadValueError(f"{value} is not an IP address", cure) from None
    if "%" in value or "." in value.partition("/")[2]:
        raise BadValueError(f"{value} is not an address with a prefix length", cure)
    if address.ip.is_loopback or address.ip.is_multicast or address.ip.is_unspecified:
        raise BadValueError(f"{value} cannot move between nodes", "choose a free address of the nodes' network")
    network = address.network
    if network.num_addresses > 2 and address.version == 4 and address.ip in (network[0], network[-1]):
        raise BadValueError(f"{value} is the network's own or its broadcast address", "choose a free address")
    return address


def peers(raw: Raw) -> tuple[IpAddress, ...]:
    """The nodes' own addresses."""
    found = []
    for value in texts(raw):
        try:
            found.append(ipaddress.ip_address(value))
        except ValueError:
            raise BadValueError(f"{value} is not an IP address", "name the nodes' own addresses") from None
    return tuple(dict.fromkeys(found))


# Defaults that depend on another key are decided in config.py.
KEYS = (
    Key("VirtualAddresses", "--vip", virtual_addresses, "address that moves with the service", "ADDR[/LEN]", many=True),
    Key("Interface", "--interface", interface_name, "where it rests (default: the one in its network)", "NAME"),
    Key("VirtualRouterId", "--router-id", whole(1, 255), "VRRP's number for this pair, 1 to 255", "N", "51"),
    Key("Priority", "--priority", whole(1, 254), "1 to 254 (default: master 250, backup 240)", "N", own=True),
    Key("AdvertInterval", "--advert-interval", decimal_number, "between adverts (default 0.25; VRRP 2: 1)", "SECONDS"),
    Key("VrrpVersion", "--vrrp-version", vrrp_version, "2 or 3", "N", "3"),
    Key("AuthPassFile", "--auth-pass-file", absolute_path, "file with the password, for VRRP 2 alone", "PATH"),
    Key("UnicastPeers", "--peer", peers, "a node's own address (all of them), instead of multicast", "ADDR", many=True),
    Key("Failback", "--failback", yes_no, "role master takes the service back", "", "false", flag=True),
    Key("FailbackDelay", "--failback-delay", seconds(0, 86400), "after being well so long", "SECONDS", "60"),
    Key("StorageLease", "--storage-lease", seconds(15, 3600), "a dead node's lock is kept so long", "SECONDS", "90"),
    Key("CheckInterval", "--check-interval", seconds(1, 60), "between checks of the active node", "SECONDS", "2"),
    Key("CheckTimeout", "--check-timeout", seconds(1, 60), "for each executable in check.d", "SECONDS", "5"),
    Key("CheckGrace", "--check-grace", seconds(0, 3600), "for cranectld to start, before a check", "SECONDS", "60"),
    Key("ProbeInterval", "--probe-interval", seconds(1, 60), "between looks at cranectld", "SECONDS", "2"),
    Key("ProbeFailures", "--probe-failures", whole(0, 100), "unanswered, cranectld hangs (0: do not ask)", "N", "3"),
    Key("RestartPause", "--restart-pause", seconds(0, 1800), "at most, after failures in a row", "SECONDS", "900"),
    Key("RebootStuck", "--reboot-stuck", yes_no, "reboot, should a killed cranectld not end", "", "true", flag=True),
    Key("HookTimeout", "--hook-timeout", seconds(1, 600), "for each hook", "SECONDS", "30"),
)
BY_NAME: Mapping[str, Key] = {key.name: key for key in KEYS}
