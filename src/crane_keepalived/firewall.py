"""firewalld: lets VRRP's adverts in, if it runs at all."""

from __future__ import annotations

from pathlib import Path

from .files import below, remove, write
from .generations import STATE_FOLDER
from .run import run

SERVICE = "firewalld.service"
RULE = 'rule protocol value="vrrp" accept'
# the zone in which we opened it, empty when it was open already
MEMO = STATE_FOLDER / "firewall-zone"


def is_open(root: Path) -> bool:
    """Did an earlier run see to it?"""
    return below(root, MEMO).exists()


def open_vrrp(root: Path, interface: str) -> str:
    """Accept VRRP in the interface's zone, now and after a restart; return the zone, "" if it was accepted already.

    Raises ProgramError.
    """
    if run("firewall-cmd", "--state", check=False).returncode:
        return ""
    zone = run("firewall-cmd", f"--get-zone-of-interface={interface}", check=False).stdout.strip()
    zone = zone or run("firewall-cmd", "--get-default-zone").stdout.strip()
    known = (
        run("firewall-cmd", "--permanent", f"--zone={zone}", f"--query-rich-rule={RULE}", check=False).returncode == 0
    )
    if not known:
        run("firewall-cmd", "--permanent", f"--zone={zone}", f"--add-rich-rule={RULE}")
    run("firewall-cmd", f"--zone={zone}", f"--add-rich-rule={RULE}")
    write(below(root, MEMO), b"" if known else zone.encode(), 0o600)
    return "" if known else zone


def close_vrrp(root: Path) -> str:
    """Take our rule away again; return the zone, "" if there was none of ours. Raises ProgramError, OSError."""
    memo = below(root, MEMO)
    zone = memo.read_text() if memo.exists() else ""
    if zone:
        run("firewall-cmd", "--permanent", f"--zone={zone}", f"--remove-rich-rule={RULE}", check=False)
        run("firewall-cmd", f"--zone={zone}", f"--remove-rich-rule={RULE}", check=False)
    remove(memo)
    return zone
