"""crane-ha-setup's command line. Values stay text here: config.py reads them beside those of the files."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from . import __version__
from .errors import InputError, Problem
from .keys import KEYS, Raw
from .model import CONFIG

EPILOG = f"""An option beats what was given by option before on this node, that beats section Keepalived of {CONFIG},
that beats the default. crane-ha-setup(8) tells more of each, crane-keepalived(7) what is set up."""


@dataclass(frozen=True)
class Options:
    """What was asked for. Empty strings: not given."""

    role: str
    config: str
    cluster_id: str
    create_lock: bool
    forget: bool
    root: Path
    dry_run: bool
    yes: bool
    remove: bool
    given: Mapping[str, Raw]

    @property
    def on_node(self) -> bool:
        """Is it this machine that is set up, not a folder?"""
        return self.root == Path("/")


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line as everything else is said."""

    def error(self, message: str) -> NoReturn:
        raise InputError([Problem("command line", message, f"see {self.prog} --help")])


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line. Raises InputError; exits by itself for --help and --version."""
    found = vars(_parser().parse_args(arguments))
    given: dict[str, Raw] = {key.name: found[key.dest] for key in KEYS if found[key.dest] is not None}
    if "AuthPassFile" in given:
        given["AuthPassFile"] = str(Path.cwd() / str(given["AuthPassFile"]))
    return Options(
        role=found["role"],
        config=str(Path.cwd() / found["config"]) if found["config"] else "",
        cluster_id=found["cluster_id"],
        create_lock=found["create_lock"],
        forget=found["forget"],
        root=Path(found["root"]).resolve(),
        dry_run=found["dry_run"],
        yes=found["yes"],
        remove=found["remove"],
        given=given,
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="crane-ha-setup",
        description="Make this node one of a pair that runs cranectld: active on one node, standby on the other.",
        epilog=EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--role", default="", metavar="master|backup", help="what this node is; needed the first time")
    parser.add_argument("--config", default="", metavar="FILE", help=f"CraneSched's configuration (default {CONFIG})")
    keys = parser.add_argument_group("what is set up, remembered on this node")
    for key in KEYS:
        add = partial(keys.add_argument, dest=key.dest)
        default = f" (default {key.default})" if key.default and not key.flag else ""
        if key.flag:
            yes, no = (" (default)", "") if key.default == "true" else ("", " (default)")
            add(key.option, action="store_const", const="true", help=key.help + yes)
            add(f"--no-{key.option[2:]}", action="store_const", const="false", help=f"or not{no}")
        else:
            action = "append" if key.many else "store"
            add(key.option, action=action, metavar=key.metavar, help=key.help + default)
    parser.add_argument(
        "--cluster-id", default="", metavar="ID", help="the pair's, as the other node's set-up printed it"
    )
    parser.add_argument("--create-lock", action="store_true", help="make the lost lock file of a known cluster anew")
    parser.add_argument("--forget", action="store_true", help="drop what was given by option before")
    parser.add_argument("--dry-run", action="store_true", help="show what would be written, and stop")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--root", default="/", metavar="DIR", help="write into a folder, and start nothing")
    parser.add_argument("--remove", action="store_true", help="put back what was there before the first set-up")
    parser.add_argument("--version", action="version", version=f"crane-keepalived {__version__}")
    return parser
