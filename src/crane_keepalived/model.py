"""What a node is set up with, in the words of keepalived and cranectld. Nothing here reads or writes anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path
from typing import Union

IpAddress = Union[IPv4Address, IPv6Address]
IpInterface = Union[IPv4Interface, IPv6Interface]

LIBEXEC = Path("/usr/libexec/crane-keepalived")
SCRIPTS = tuple(LIBEXEC / name for name in ("check_and_failover.sh", "on_master.sh", "on_backup.sh", "on_fault.sh"))
# the administrator's own checks and hooks
HOOK_FOLDERS = tuple(Path("/etc/crane-keepalived", name) for name in ("check.d", "master.d", "backup.d", "fault.d"))
# the SELinux context in which a script of keepalived's last ran; as old as that run
NOTE = Path("/run/crane-keepalived/domain")
CONFIG = Path("/etc/crane/config.yaml")
KEEPALIVED_CONF = Path("/etc/keepalived/keepalived.conf")
SETTINGS = Path("/etc/crane-keepalived/settings")
NODE_FILE = Path("/etc/crane-keepalived/node.yaml")
DROP_IN = "50-crane-keepalived.conf"
CRANECTLD_DROP_IN = Path("/etc/systemd/system/cranectld.service.d", DROP_IN)
KEEPALIVED_DROP_IN = Path("/etc/systemd/system/keepalived.service.d", DROP_IN)
GATE_DROP_IN = Path("/etc/systemd/system/crane-keepalived-gate.service.d", DROP_IN)
TMPFILES = Path("/etc/tmpfiles.d/crane-keepalived.conf")
HA_LOCK_NAME = "ha.lock"
# how each file that we render begins: a keepalived.conf without it is somebody else's
MARK = "# Written by crane-ha-setup"


class Role(Enum):
    """What the administrator wants the node to be. What it is at the moment is its state, never its role."""

    MASTER = "master"
    BACKUP = "backup"

    @property
    def other(self) -> Role:
        """The role of the other node."""
        return Role.BACKUP if self is Role.MASTER else Role.MASTER


@dataclass(frozen=True)
class Vrrp:
    """The VRRP instance. Intervals are seconds; ``auth_pass``, ``source`` and ``peers`` may be empty."""

    version: int
    interface: str
    router_id: int
    priority: int
    advert_interval: Decimal
    virtual_addresses: tuple[IpInterface, ...]
    auth_pass: str = ""
    source: str = ""
    peers: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """All virtual addresses with prefix length."""
        return tuple(str(address) for address in self.virtual_addresses)

    @property
    def plain_addresses(self) -> tuple[str, ...]:
        """All virtual addresses without prefix length."""
        return tuple(str(address.ip) for address in self.virtual_addresses)

    @property
    def primary_addresses(self) -> tuple[str, ...]:
        """The addresses of the first one's family, which is the one that the instance speaks."""
        return tuple(str(address) for address in self.virtual_addresses if address.version == self.family)

    @property
    def other_addresses(self) -> tuple[str, ...]:
        """The addresses of the other family."""
        return tuple(str(address) for address in self.virtual_addresses if address.version != self.family)

    @property
    def family(self) -> int:
        """The IP version of the adverts: 4 or 6."""
        return self.virtual_addresses[0].version

    @property
    def settles_within(self) -> int:
        """Seconds within which VRRP brings the address to a node: one advert, the skew, and one second."""
        return max(3, math.ceil(2 * self.advert_interval + 1))


@dataclass(frozen=True)
class StorageLock:
    """The two locks, the alive file, and how long (seconds) the storage keeps a silent client's lock."""

    cluster_id: str
    ha_lock: Path
    cranectld_lock: Path
    alive_file: Path
    lease: int

    @property
    def heartbeat_interval(self) -> int:
        """Seconds between two writes through the lock's descriptor."""
        return max(1, self.lease // 15)

    @property
    def watchdog_timeout(self) -> int:
        """Seconds without a write until cranectld is killed; with the stop timeout well below the lease."""
        return max(3, self.lease // 3)

    @property
    def stop_timeout(self) -> int:
        """Seconds that cranectld has to end on SIGTERM."""
        return max(2, self.lease // 9)


@dataclass(frozen=True)
class Failback:
    """Whether the node with role master takes the service back after being well for ``delay`` seconds."""

    enabled: bool
    delay: int


@dataclass(frozen=True)
class Check:
    """How often (seconds) the active node is checked, how long each check may take, and how long cranectld to start."""

    interval: int
    timeout: int
    grace: int

    @property
    def script_timeout(self) -> int:
        """Seconds after which keepalived ends the whole check: ten of the administrator's own, each at its limit."""
        return 10 * (self.timeout + 2)

    @property
    def silence(self) -> int:
        """Seconds without a new check after which keepalived does not run it at all."""
        return self.interval + self.script_timeout + 5


@dataclass(frozen=True)
class Probe:
    """How often (seconds) the heartbeat looks at cranectld.

    ``failures``: how many connections in a row cranectld may leave waiting; 0: its port is not asked.
    """

    interval: int
    failures: int


@dataclass(frozen=True)
class Daemon:
    """cranectld as its own unit runs it."""

    user: str
    group: str
    command: str


@dataclass(frozen=True)
class HaConfig:
    """All of it.

    ``restart_pause``: the longest wait, in seconds, after a cranectld that failed again and again.
    ``reboot_stuck``: whether a node on which SIGKILL does not end cranectld reboots.
    """

    role: Role
    vrrp: Vrrp
    lock: StorageLock
    failback: Failback
    check: Check
    probe: Probe
    restart_pause: int
    reboot_stuck: bool
    hook_timeout: int
    daemon: Daemon
    port: int

    @property
    def address_timeout(self) -> int:
        """Seconds that the holder of the lock waits for the address: after a check that failed keepalived takes none
        before the next one has passed.
        """
        return max(self.vrrp.settles_within, self.check.interval + 1)


@dataclass(frozen=True)
class RenderedFile:
    """A file as it is to be: absolute path on the node, mode, content. Always root's."""

    path: Path
    mode: int
    content: str
