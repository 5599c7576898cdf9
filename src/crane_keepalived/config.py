"""Options, remembered options and config.yaml become one set of values: the first that names a key decides."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, Optional

from .crane import EVERY_IPV4_ADDRESS, SECTION, CraneConfig, our_keys
from .errors import BadValueError, Findings
from .keys import KEYS, Raw
from .model import CONFIG, MARK, NODE_FILE, Check, Failback, IpAddress, IpInterface, Probe, Role
from .yamlfile import read_mapping

DEFAULT_PRIORITY = {Role.MASTER: 250, Role.BACKUP: 240}
# seconds; after a power loss the address follows the lock by one of these and the skew. Each advert costs both nodes
# processor time.
DEFAULT_ADVERT_INTERVAL = {2: Decimal(1), 3: Decimal("0.25")}
CLUSTER_ID = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True)
class Remembered:
    """What an earlier run left in node.yaml: role, cluster id, the configuration's path, the options given."""

    role: Optional[Role] = None
    cluster_id: str = ""
    config: Path = CONFIG
    given: Mapping[str, Raw] = field(default_factory=dict)

    def text(self, role: Role) -> str:
        """node.yaml's text."""
        lines = [
            f"{MARK}: what it was told on this node. An option given anew replaces its line;",
            "# crane-ha-setup --forget drops all but the first two.",
            f"Role: {role.value}",
            f"ClusterId: {json.dumps(self.cluster_id)}",
        ]
        if self.config != CONFIG:
            lines.append(f"ConfigFile: {json.dumps(str(self.config))}")
        lines += [f"{key.name}: {json.dumps(self.given[key.name])}" for key in KEYS if key.name in self.given]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Wanted:
    """What the user wrote, read and checked. Intervals are seconds; ``places`` tells where each key was written."""

    addresses: tuple[IpInterface, ...]
    interface: str
    router_id: int
    priority: int
    advert_interval: Decimal
    vrrp_version: int
    auth_pass_file: Optional[PurePosixPath]
    peers: tuple[IpAddress, ...]
    failback: Failback
    lease: int
    check: Check
    probe: Probe
    restart_pause: int
    reboot_stuck: bool
    hook_timeout: int
    places: Mapping[str, str]


def read_remembered(path: Path, findings: Findings) -> Remembered:
    """Read node.yaml; a node without it remembers nothing."""
    if not path.exists():
        return Remembered()
    cure = f"crane-ha-setup wrote this file: remove {NODE_FILE} and give the options again"
    keys = read_mapping(path, findings, cure) or {}
    role, cluster_id, config = keys.pop("Role", ""), keys.pop("ClusterId", ""), keys.pop("ConfigFile", str(CONFIG))
    if role not in ("", *(known.value for known in Role)):
        findings.error(f"{path}: Role", f"{role} is no role", cure)
        role = ""
    if cluster_id and not (isinstance(cluster_id, str) and CLUSTER_ID.fullmatch(cluster_id)):
        findings.error(f"{path}: ClusterId", f"{cluster_id} is no cluster id (8 hexadecimal digits)", cure)
        cluster_id = ""
    return Remembered(
        Role(role) if role else None, cluster_id, Path(str(config)), our_keys(keys, f"{path}: ", findings)
    )


def resolve(
    role: Role, options: Mapping[str, Raw], remembered: Mapping[str, Raw], crane: CraneConfig, findings: Findings
) -> Wanted:
    """Choose and read each key's value. What is wrong goes to the findings, a default stands in for it."""
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for key in KEYS:
        in_file = f"{crane.path}: {SECTION}.{key.name}"
        layers = ((options, key.option), (remembered, f"{NODE_FILE}: {key.name}"), (crane.ours, in_file))
        found = next(((layer[key.name], place) for layer, place in layers if key.name in layer), None)
        values[key.name] = None if key.default is None else key.read(key.default)
        if found is None:
            continue
        places[key.name] = found[1]
        try:
            values[key.name] = key.read(found[0])
        except BadValueError as error:
            findings.error(found[1], error.what, error.cure)
        if layers[1][1] == found[1] and crane.ours.get(key.name, found[0]) != found[0]:
            what = f"is not used: {found[0]} was given on this node by {key.option}"
            findings.warn(in_file, what, "--forget drops what was given by option")
    wanted = _wanted(role, values, places)
    _check_together(wanted, crane, findings)
    return wanted


def _wanted(role: Role, values: Mapping[str, Any], places: Mapping[str, str]) -> Wanted:
    return Wanted(
        addresses=values["VirtualAddresses"] or (),
        interface=values["Interface"] or "",
        router_id=values["VirtualRouterId"],
        priority=values["Priority"] or DEFAULT_PRIORITY[role],
        advert_interval=values["AdvertInterval"] or DEFAULT_ADVERT_INTERVAL[values["VrrpVersion"]],
        vrrp_version=values["VrrpVersion"],
        auth_pass_file=values["AuthPassFile"],
        peers=values["UnicastPeers"] or (),
        failback=Failback(values["Failback"], values["FailbackDelay"]),
        lease=values["StorageLease"],
        check=Check(values["CheckInterval"], values["CheckTimeout"], values["CheckGrace"]),
        probe=Probe(values["ProbeInterval"], values["ProbeFailures"]),
        restart_pause=values["RestartPause"],
        reboot_stuck=values["RebootStuck"],
        hook_timeout=values["HookTimeout"],
        places=places,
    )


def _check_together(wanted: Wanted, crane: CraneConfig, findings: Findings) -> None:
    """What depends on more than one key."""
    places, interval = wanted.places, wanted.advert_interval
    if "AdvertInterval" in places:
        low, high, step = (Decimal("0.01"), Decimal("40.95"), Decimal("0.01"))
        if wanted.vrrp_version == 2:
            low, high, step = (Decimal(1), Decimal(255), Decimal(1))
        if not low <= interval <= high or interval % step:
            what = f"{interval} is not what VRRP {wanted.vrrp_version} can count"
            findings.error(places["AdvertInterval"], what, f"choose {low} to {high}, in steps of {step}")
    if wanted.vrrp_version == 3 and wanted.auth_pass_file is not None:
        findings.error(places["AuthPassFile"], "VRRP 3 has no passwords", "remove it, or choose --vrrp-version 2")
    if "VirtualAddresses" not in places:
        cure = f"give --vip ADDRESS, or {SECTION}.VirtualAddresses in {crane.path}"
        findings.error("--vip", "no virtual address is given", cure)
    if not wanted.addresses:
        return
    first = wanted.addresses[0]
    if wanted.vrrp_version == 2 and first.version == 6:
        findings.error(places["VirtualAddresses"], f"VRRP 2 cannot carry {first.ip}", "choose --vrrp-version 3")
    for peer in wanted.peers:
        if peer.version != first.version:
            what = f"{peer} is not of the same family as {first.ip}"
            findings.error(places["UnicastPeers"], what, f"name the nodes' IPv{first.version} addresses")
    six = [str(address.ip) for address in wanted.addresses if address.version == 6]
    if six and crane.listen_address == EVERY_IPV4_ADDRESS:
        what = f"{EVERY_IPV4_ADDRESS} is IPv4 alone: cranectld would not answer at {', '.join(six)}"
        findings.warn(f"{crane.path}: CraneCtldListenAddr", what, "set it to '::'")
