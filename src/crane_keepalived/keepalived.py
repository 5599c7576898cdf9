"""keepalived's own judgement of a configuration."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path

from .errors import HaError
from .files import below, write
from .model import KEEPALIVED_CONF
from .run import installed, run


def check_configuration(stage: Path, on_node: bool) -> None:
    """Let `keepalived -t` read the staged keepalived.conf. Raises HaError with its lines when it finds fault.

    Away from the node that it is for, there are neither interface nor scripts nor gate: it reads a copy without them.
    """
    if not installed("keepalived"):
        if on_node:
            raise HaError("keepalived is not installed", "dnf install keepalived")
        return
    path = below(stage, KEEPALIVED_CONF)
    if not on_node:
        text = portable(path.read_text(), stage)
        path = stage / "keepalived.conf"
        write(path, text.encode(), 0o600)
    done = run("keepalived", "-t", "-f", str(path), check=False)
    if done.returncode:
        lines = (
            line.strip().replace(str(path), "keepalived.conf") for line in (done.stdout + done.stderr).splitlines()
        )
        said = " / ".join(line for line in lines if line) or "it said nothing"
        raise HaError(f"keepalived refuses the new keepalived.conf (status {done.returncode}): {said}")


def portable(text: str, folder: Path) -> str:
    """The same configuration for a machine that lacks its interface, its scripts and its gate, and for any user."""
    text = re.sub(r'"/usr/libexec/crane-keepalived/[^"]*"', '"/bin/true"', text)
    text = text.replace("script_user root", f"script_user {pwd.getpwuid(os.geteuid()).pw_name}")
    text = text.replace("file /run/crane-keepalived.gate", f"file {folder}/gate")
    return text.replace("global_defs {\n", "global_defs {\n    dynamic_interfaces\n", 1)
