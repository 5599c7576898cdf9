"""CraneSched's config.yaml: what cranectld makes of it, by its own rules, and the section that we share with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from .errors import BadValueError, Findings
from .keys import BY_NAME, Raw, absolute_path, text, whole, yes_no
from .model import HA_LOCK_NAME
from .yamlfile import read_mapping

SECTION = "Keepalived"
SHARED = "CraneSharedBaseDir"
DEFAULT_BASE_DIR = "/var/crane/"
DEFAULT_LOCK = "cranectld/cranectld.lock"
DEFAULT_ALIVE_FILE = "cranectld/cranectld.alive"
DEFAULT_PORT = "10011"
EVERY_IPV4_ADDRESS = "0.0.0.0"  # noqa: S104
EVERY_ADDRESS = (EVERY_IPV4_ADDRESS, "::", "[::]")

T = TypeVar("T")


@dataclass(frozen=True)
class CraneConfig:
    """What config.yaml says: cranectld's paths as it computes them, and our keys as they are written."""

    path: Path
    base_dir: PurePosixPath
    shared_base_dir: PurePosixPath
    cranectld_lock: PurePosixPath
    alive_file: PurePosixPath
    listen_address: str
    port: int
    control_machine: str
    ours: Mapping[str, Raw]

    @property
    def ha_lock(self) -> PurePosixPath:
        """Our lock file lies beside cranectld's own."""
        return self.cranectld_lock.with_name(HA_LOCK_NAME)


def read(path: Path, findings: Findings) -> CraneConfig:
    """Read config.yaml. What is wrong goes to the findings; a default stands in while the rest is checked."""
    file = read_mapping(path, findings, "name CraneSched's configuration with --config")
    top = _Section(path, "", file or {}, findings if file is not None else Findings())
    shared_section = _keepalived_section(top)
    _check_foreground(top)
    base_dir = top.value("CraneBaseDir", absolute_path, DEFAULT_BASE_DIR)
    shared = shared_section.value(SHARED, absolute_path, DEFAULT_BASE_DIR)
    if PurePosixPath(str(shared_section.keys.get(SHARED))) == base_dir:
        shared_section.findings.warn(
            shared_section.place(SHARED),
            f"is CraneBaseDir too ({base_dir}): the nodes write into each other's logs and alive file",
            "make CraneBaseDir a local folder",
        )
    return CraneConfig(
        path=path,
        base_dir=base_dir,
        shared_base_dir=shared,
        # PurePosixPath's / is std::filesystem::path's: an absolute right side replaces the left
        cranectld_lock=shared / top.value("CraneCtldMutexFilePath", _lock_file, DEFAULT_LOCK),
        alive_file=base_dir / shared_section.value("CraneCtldAliveFile", _file, DEFAULT_ALIVE_FILE),
        listen_address=top.value("CraneCtldListenAddr", _every_address, EVERY_IPV4_ADDRESS),
        port=top.value("CraneCtldListenPort", whole(1, 65535), DEFAULT_PORT),
        control_machine=top.value("ControlMachine", lambda raw: text(raw) if raw else "", ""),
        ours=our_keys(shared_section.keys, shared_section.place(""), findings, foreign="Crane"),
    )


def our_keys(keys: Mapping[str, Any], place: str, findings: Findings, foreign: str = "") -> dict[str, Raw]:
    """Those of the keys that are ours; an unknown one is an error unless it begins with ``foreign``."""
    ours: dict[str, Raw] = {}
    for name, value in keys.items():
        if name in BY_NAME:
            if isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value)):
                ours[name] = value
            else:
                findings.error(place + name, "holds keys of its own", "give one value, or a list of values")
        elif not (foreign and name.startswith(foreign)):
            lower = {known.lower(): known for known in BY_NAME}
            meant = get_close_matches(name.lower(), lower, n=1)
            cure = f"did you mean {lower[meant[0]]}?" if meant else "remove it; man 8 crane-ha-setup lists the keys"
            findings.error(place + name, "is no key of crane-keepalived", cure)
    return ours


@dataclass(frozen=True)
class _Section:
    """Some of a file's keys, and where they stand."""

    path: Path
    prefix: str
    keys: Mapping[str, Any]
    findings: Findings

    def place(self, key: str) -> str:
        return f"{self.path}: {self.prefix}{key}"

    def value(self, key: str, read: Callable[[Raw], T], default: str) -> T:
        """The key's value as ``read`` understands it; the default's if it does not."""
        if key not in self.keys:
            return read(default)
        try:
            found = self.keys[key]
            if isinstance(found, dict):
                raise BadValueError("holds keys of its own", "give one value")
            return read(found)
        except BadValueError as error:
            self.findings.error(self.place(key), error.what, error.cure)
            return read(default)


def _keepalived_section(top: _Section) -> _Section:
    found = top.keys.get(SECTION)
    section = _Section(top.path, f"{SECTION}.", found if isinstance(found, dict) else {}, top.findings)
    if found is None:
        cure = f"add this section, with {SHARED}: the folder that both nodes share"
        top.findings.error(top.place(SECTION), "is missing", cure)
    elif found and not isinstance(found, dict):
        top.findings.error(top.place(SECTION), "is no section", "write its keys indented below it")
    elif SHARED not in section.keys:
        meant = get_close_matches(SHARED, section.keys, n=1)
        cure = f"did you mean it by {meant[0]}?" if meant else "name the folder that both nodes share"
        top.findings.error(section.place(SHARED), "is missing", cure)
    return section


def _check_foreground(top: _Section) -> None:
    key = "CraneCtldForeground"
    if not top.value(key, yes_no, "true" if key in top.keys else "false"):
        what = "is not true (false is cranectld's default): in the background it leaves its unit, and its lock with it"
        top.findings.error(top.place(key), what, "set it to true")


def _file(raw: Raw) -> PurePosixPath:
    value = text(raw)
    if value.endswith("/") or PurePosixPath(value).name in ("", ".."):
        raise BadValueError(f"{value} is a folder", "name a file")
    return PurePosixPath(value)


def _lock_file(raw: Raw) -> PurePosixPath:
    path = _file(raw)
    if path.name == HA_LOCK_NAME:
        raise BadValueError(f"{path} has the name of our own lock, which lies beside it", "choose another name")
    return path


def _every_address(raw: Raw) -> str:
    address = text(raw)
    if address not in EVERY_ADDRESS:
        what = f"{address} is one address, and cranectld starts before the virtual one is there"
        raise BadValueError(what, f"set it to {EVERY_IPV4_ADDRESS}, every address")
    return address
