"""What this node was set up with: /etc/crane-keepalived/settings, rendered by crane-ha-setup."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

PATH = Path("etc/crane-keepalived/settings")

# What settings written by an older package lack: an upgrade must not keep cranectld from starting.
_LATER = {
    "CHECK_SILENCE": "77",
    "LISTEN_PORT": "0",
    "PROBE_INTERVAL": "2",
    "PROBE_FAILURES": "0",
    "RESTART_PAUSE": "900",
}


class SettingsError(Exception):
    """The settings file cannot be read; the message names the file and what to run."""


@dataclass(frozen=True)
class Settings:
    """One node's settings. Times are seconds."""

    role: str
    cluster_id: str
    interface: str
    addresses: tuple[str, ...]
    ha_lock: Path
    cranectld_lock: Path
    alive_file: Path
    heartbeat_interval: float
    watchdog_timeout: float
    stop_timeout: float
    address_timeout: float
    failback: bool
    failback_delay: float
    check_silence: float
    listen_port: int
    probe_interval: float
    probe_failures: int
    restart_pause: float


def load(root: Path = Path("/")) -> Settings:
    """Read the settings below ``root``. Raises FileNotFoundError on a node not set up, SettingsError if broken."""
    path = root / PATH
    lines = (line.partition("=") for line in path.read_text().splitlines() if line and not line.startswith("#"))
    try:
        value = {**_LATER, **{key: " ".join(shlex.split(quoted)) for key, _, quoted in lines}}
        return Settings(
            role=value["ROLE"],
            cluster_id=value["CLUSTER_ID"],
            interface=value["INTERFACE"],
            addresses=tuple(value["ADDRESSES"].split()),
            ha_lock=Path(value["HA_LOCK"]),
            cranectld_lock=Path(value["CRANECTLD_LOCK"]),
            alive_file=Path(value["ALIVE_FILE"]),
            heartbeat_interval=float(value["HEARTBEAT_INTERVAL"]),
            watchdog_timeout=float(value["WATCHDOG_TIMEOUT"]),
            stop_timeout=float(value["STOP_TIMEOUT"]),
            address_timeout=float(value["ADDRESS_TIMEOUT"]),
            failback=value["FAILBACK"] == "yes",
            failback_delay=float(value["FAILBACK_DELAY"]),
            check_silence=float(value["CHECK_SILENCE"]),
            listen_port=int(value["LISTEN_PORT"]),
            probe_interval=float(value["PROBE_INTERVAL"]),
            probe_failures=int(value["PROBE_FAILURES"]),
            restart_pause=float(value["RESTART_PAUSE"]),
        )
    except (KeyError, ValueError) as error:
        raise SettingsError(f"{path}: {error} is missing or wrong; run crane-ha-setup again") from None
