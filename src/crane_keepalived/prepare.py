"""Everything that is asked and checked before a byte is written: options, files, network, storage, unit."""

from __future__ import annotations

import grp
import os
import pwd
import re
import secrets
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from . import config, crane, network, selinux, storage, systemd
from .errors import Findings, ProgramError
from .files import below, insecure_parts
from .keys import KEYS, Raw
from .model import CONFIG, HOOK_FOLDERS, NODE_FILE, SCRIPTS, Daemon, HaConfig, RenderedFile, Role, StorageLock, Vrrp
from .options import Options
from .render import render

PASSWORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+=:,/-")


@dataclass(frozen=True)
class Prepared:
    """What this node is to become, and what a person should hear about it."""

    config: HaConfig
    files: tuple[RenderedFile, ...]
    interface_why: str
    lock_missing: bool
    other_line: str


@dataclass(frozen=True)
class _Wires:
    """Where the addresses rest and whom the adverts go to. ``source`` is our own address among the peers, if any."""

    interface: str = ""
    why: str = ""
    source: str = ""
    peers: tuple[str, ...] = ()


def prepare(options: Options, findings: Findings) -> Prepared:
    """Read and check everything. Raises InputError with all that is wrong."""
    root = options.root
    if not root.is_dir():
        findings.error("--root", f"there is no folder {root}", "make it first")
    if options.on_node and os.geteuid() != 0:
        findings.error("not root", "only root can set up a node", "run it with sudo")
    remembered = config.read_remembered(below(root, NODE_FILE), findings)
    role = _role(options, remembered, findings)
    if options.forget:
        remembered = config.Remembered(remembered.role, remembered.cluster_id)
    path = Path(options.config) if options.config else below(root, remembered.config)
    file = crane.read(path, findings)
    wanted = config.resolve(role, options.given, remembered.given, file, findings)
    daemon = _with_group(systemd.read_daemon(root, options.on_node, findings), options.on_node, findings)
    wires = _wires_here(wanted, findings) if options.on_node else _wires_elsewhere(wanted, findings)
    cluster_id, lock_missing = _cluster_id(options, remembered, file, daemon, findings)
    if options.on_node and not options.dry_run and not lock_missing and not findings.errors:
        beat = StorageLock(cluster_id, Path(), Path(), Path(), wanted.lease).heartbeat_interval
        storage.check_locks_are_seen(Path(file.ha_lock), cluster_id, beat, daemon.user, findings)
    auth_pass = _auth_pass(wanted, root, findings)
    _check_security(root, options.on_node, findings)
    if options.on_node:
        _check_config_read(path, daemon, findings)
        unit = systemd.find_unit(root, systemd.CRANECTLD)
        if unit:
            selinux.check(unit, findings)
    if options.on_node and file.control_machine and wanted.addresses:
        network.check_control_machine(file.control_machine, f"{path}: ControlMachine", wanted.addresses, findings)
    findings.settle()
    ha = HaConfig(
        role=role,
        vrrp=Vrrp(
            version=wanted.vrrp_version,
            interface=wires.interface,
            router_id=wanted.router_id,
            priority=wanted.priority,
            advert_interval=wanted.advert_interval,
            virtual_addresses=wanted.addresses,
            auth_pass=auth_pass,
            source=wires.source,
            peers=wires.peers,
        ),
        lock=StorageLock(
            cluster_id, Path(file.ha_lock), Path(file.cranectld_lock), Path(file.alive_file), wanted.lease
        ),
        failback=wanted.failback,
        check=wanted.check,
        probe=wanted.probe,
        restart_pause=wanted.restart_pause,
        reboot_stuck=wanted.reboot_stuck,
        hook_timeout=wanted.hook_timeout,
        daemon=daemon,
        port=file.port,
    )
    # --config beside --root names a file of this machine, not of the folder: nothing to remember there
    config_path = path if options.config and options.on_node else remembered.config
    memory = config.Remembered(role, cluster_id, config_path, {**remembered.given, **options.given})
    return Prepared(ha, render(ha, memory.text(role)), wires.why, lock_missing, _other_line(memory, role))


def _role(options: Options, remembered: config.Remembered, findings: Findings) -> Role:
    if options.role in (role.value for role in Role):
        return Role(options.role)
    cure = "give --role master on one node, --role backup on the other"
    if options.role:
        findings.error("--role", f"{options.role} is no role", cure)
    elif remembered.role is None:
        findings.error("--role", "is missing", cure)
    return remembered.role or Role.MASTER


def _wires_here(wanted: config.Wanted, findings: Findings) -> _Wires:
    try:
        known = network.interfaces(wanted.addresses)
    except ProgramError as error:
        findings.error("network", str(error))
        return _Wires()
    place = wanted.places.get("Interface")
    if place:
        name, why = wanted.interface, f"named by {place}"
        if name:
            network.check_named(name, wanted.addresses, known, place, findings)
    elif not wanted.addresses:
        return _Wires()
    else:
        name, why = network.choose(wanted.addresses, known, wanted.places["VirtualAddresses"], findings)
    link = next((link for link in known if link.name == name), network.Interface(name, ()))
    source, peers = network.split_peers(wanted.peers, link)
    if wanted.peers and not peers:
        findings.error(wanted.places["UnicastPeers"], "names this node alone", "name the other node's own address too")
    return _Wires(name, why, source, peers)


def _wires_elsewhere(wanted: config.Wanted, findings: Findings) -> _Wires:
    """Under --root nothing is known of the network that the folder will run in."""
    if "Interface" not in wanted.places:
        cure = "with --root give --interface: that of this machine says nothing"
        findings.error("--interface", "is missing", cure)
    if wanted.peers:
        what = "with --root a node's own address is not known, so all of these become peers"
        findings.warn(wanted.places["UnicastPeers"], what, "name the other node alone")
    return _Wires(wanted.interface, "named", peers=tuple(map(str, wanted.peers)))


def _with_group(daemon: Daemon, on_node: bool, findings: Findings) -> Daemon:
    if not on_node:
        return replace(daemon, group=daemon.group or daemon.user)
    user = _find_user(daemon.user)
    if user is None:
        findings.error(
            systemd.CRANECTLD, f"runs as {daemon.user}, whom this node does not know", "make that user first"
        )
        return daemon
    return replace(daemon, group=daemon.group or grp.getgrgid(user.pw_gid).gr_name)


def _cluster_id(
    options: Options, remembered: config.Remembered, file: crane.CraneConfig, daemon: Daemon, findings: Findings
) -> tuple[str, bool]:
    """The cluster's id, and whether the lock file that holds it has still to be made."""
    known, told_by = options.cluster_id or remembered.cluster_id, "--cluster-id" if options.cluster_id else NODE_FILE
    if options.cluster_id and not config.CLUSTER_ID.fullmatch(options.cluster_id):
        cure = "copy it from the line that crane-ha-setup printed on the other node"
        findings.error("--cluster-id", f"{options.cluster_id} is not 8 hexadecimal digits", cure)
    here = options.on_node and os.geteuid() == 0 and _find_user(daemon.user) is not None
    found = storage.look(file, daemon.user, findings) if here else None
    if found is None:
        return known or secrets.token_hex(4), False
    if found and known and found != known:
        what = f"holds cluster id {found}, but {told_by} says {known}: this is not the storage that the other node uses"
        cure = "mount the right storage, or, if it was changed on purpose, give --cluster-id " + found
        findings.error(file.ha_lock, what, cure)
    if not found and known and not options.create_lock:
        what = f"is missing, though {told_by} says {known}: is this the storage that the other node uses?"
        cure = "mount the right storage; if it is mounted, and only the file was lost, add --create-lock"
        findings.error(file.ha_lock, what, cure)
    return found or known or secrets.token_hex(4), not found


def _find_user(name: str) -> Optional[pwd.struct_passwd]:
    try:
        return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        return None


def _auth_pass(wanted: config.Wanted, root: Path, findings: Findings) -> str:
    if wanted.auth_pass_file is None:
        return ""
    path, place = below(root, Path(wanted.auth_pass_file)), wanted.places["AuthPassFile"]
    try:
        found = path.stat()
        password = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0] if path.is_file() else ""
    except OSError as error:
        findings.error(place, f"{path}: {error.strerror}", "make the file, with the password in its first line")
        return ""
    if found.st_uid != os.geteuid():
        findings.error(place, f"{path} is not root's", f"chown root {path}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        findings.error(place, f"{path} can be read by others than root", f"chmod 600 {path}")
    if not 1 <= len(password) <= 8 or set(password) - PASSWORD:
        cure = "write 1 to 8 letters, digits or any of . _ + = : , / -"
        findings.error(place, f"the first line of {path} is no VRRP password", cure)
    return password


def _check_config_read(path: Path, daemon: Daemon, findings: Findings) -> None:
    """cranectld and we must read the same file, or its lock and our lock file are somewhere else than thought."""
    named = re.search(r"\s(?:-C\s*|--config[\s=]+)[\"']?([^\s\"']+)", daemon.command)
    read = named.group(1) if named else str(CONFIG)
    if read != str(path):
        what = f"cranectld reads {read} ({systemd.CRANECTLD}: {daemon.command})"
        findings.warn(path, f"is not its configuration: {what}", f"give --config {read}, or change the unit")


def _check_security(root: Path, on_node: bool, findings: Findings) -> None:
    """keepalived refuses to run what others than root could have written, and says so in its log alone."""
    said: set[Path] = set()
    for program in (*SCRIPTS, *_hooks(root)):
        if not below(root, program).exists():
            if on_node:
                findings.error(program, "is missing", "install the package crane-keepalived again")
            continue
        runner = "keepalived would not run" if program in SCRIPTS else "root would run"
        for part, what, cure in insecure_parts(root, program):
            if part not in said:
                said.add(part)
                findings.error(part, f"{what}: {runner} {program}", cure)


def _hooks(root: Path) -> Iterator[Path]:
    for folder in HOOK_FOLDERS:
        place = below(root, folder)
        found = sorted(place.iterdir()) if place.is_dir() else []
        yield from (folder / hook.name for hook in found if hook.is_file() and os.access(hook, os.X_OK))


def _other_line(memory: config.Remembered, role: Role) -> str:
    """What to run on the other node: the same, but for what is a node's own."""
    words = ["crane-ha-setup", "--role", role.other.value]
    if memory.config != CONFIG:
        words += ["--config", str(memory.config)]
    for key in KEYS:
        raw: Raw = [] if key.own else memory.given.get(key.name, [])
        if raw and key.flag:
            words.append(key.option if key.read(raw) else f"--no-{key.option[2:]}")
        elif raw:
            for value in [raw] if isinstance(raw, str) else raw:
                words += [key.option, value]
    return shlex.join([*words, "--cluster-id", memory.cluster_id])
