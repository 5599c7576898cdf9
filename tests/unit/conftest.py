"""A node that is a folder: fake programs on PATH that write down how they were called, and storage of its own."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from crane_keepalived import cli, lock, run, status
from crane_keepalived.model import SCRIPTS
from crane_keepalived.options import Options

from .queue_node import Node

CONFIG = """\
CraneBaseDir: /var/crane
CraneCtldForeground: true
Keepalived:
  CraneSharedBaseDir: {shared}
"""
UNIT = "[Service]\nUser=nobody\nExecStart=/usr/bin/cranectld -C {config}\n"
UNITS = ("keepalived.service", "cranectld.service", "firewalld.service")

LOG_CALL = '#!/bin/sh\nPATH=/usr/bin:/bin\necho "${{0##*/}} $*" >>{state}/calls\ncd {state}\n'
# remembers what was started, stopped, enabled; `fail` holds a command line that shall fail
SYSTEMCTL = """\
case "$*" in "$(cat fail 2>/dev/null)") echo "Job failed." >&2; exit 1 ;; esac
verb=$1; shift
for unit; do
    case $unit in --*) continue ;; esac
    case $verb in
    show)
        echo "LoadState=$([ -e "$unit.absent" ] && echo not-found || echo loaded)"
        echo "ActiveState=$([ -e "$unit.active" ] && echo active || echo inactive)"
        echo "UnitFileState=$([ -e "$unit.enabled" ] && echo enabled || echo disabled)"
        [ -e "$unit.outdated" ] && echo NeedDaemonReload=yes
        echo ;;
    enable) touch "$unit.enabled" ;;
    disable) rm -f "$unit.enabled" ;;
    start | restart) touch "$unit.active" ;;
    stop) rm -f "$unit.active" ;;
    esac
done
"""
FAKES = {
    "systemctl": SYSTEMCTL,
    "ip": "cat addresses\n",
    "keepalived": 'grep -q auth_pass.BAD "$3" && { echo "(line 7) nonsense"; exit 4; }\nexit 0\n',
    "systemd-tmpfiles": "",
    "getenforce": "cat selinux 2>/dev/null || echo Disabled\n",
    "matchpathcon": """\
case $2 in
*/crane-keepalived/*.d/*) type=crane_keepalived_hook_exec_t ;;
*) type=$(cat unit_label 2>/dev/null || echo cranectld_unit_file_t) ;;
esac
echo "system_u:object_r:$type:s0"
""",
    "restorecon": "",
    "firewall-cmd": """\
case "$*" in
--state) [ -e firewalld.service.active ] ;;
--get-zone*) echo trusted ;;
*--query*) exit 1 ;;
esac
""",
}


@dataclass
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if ": error: " in line]


@dataclass
class FakeNode:
    """A node below ``root``; ``state`` is what its fake programs remember, ``shared`` its storage."""

    root: Path
    state: Path
    shared: Path
    capsys: pytest.CaptureFixture[str]

    def setup(self, *arguments: str) -> Answer:
        """Run crane-ha-setup."""
        self.capsys.readouterr()
        (self.state / "calls").write_text("")
        code = cli.setup_main(["--root", str(self.root), *arguments])
        out, err = self.capsys.readouterr()
        return Answer(code, out, err)

    def calls(self, program: str = "") -> list[str]:
        """The command lines since crane-ha-setup was called, but those that only look."""
        lines = (self.state / "calls").read_text().splitlines()
        looks = ("systemctl show", "ip ", "getenforce", "matchpathcon", "firewall-cmd --state", "firewall-cmd --get")
        return [line for line in lines if line.startswith(program) and not line.startswith(looks)]

    def set_unit(self, unit: str, *, active: bool = False, enabled: bool = False) -> None:
        """Make the unit so."""
        for mark, there in ((f"{unit}.active", active), (f"{unit}.enabled", enabled)):
            (self.state / mark).touch() if there else (self.state / mark).unlink(missing_ok=True)

    def write(self, path: str, content: str, mode: int = 0o644) -> Path:
        """Put a file on the node."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
        place.chmod(mode)
        return place

    def read(self, path: str) -> str:
        """A file of the node."""
        return (self.root / path.lstrip("/")).read_text()

    def files(self) -> dict[str, bytes]:
        """All that is in the node's /etc."""
        etc = self.root / "etc"
        return {str(path.relative_to(etc)): path.read_bytes() for path in etc.rglob("*") if path.is_file()}


def addresses(*links: tuple[str, str]) -> str:
    """What `ip -j address` says of interfaces and their comma separated addresses."""
    listed = [{"ifname": "lo", "flags": ["LOOPBACK", "UP"], "addr_info": [{"local": "127.0.0.1", "prefixlen": 8}]}]
    for name, owned in links:
        pairs = (address.split("/") for address in owned.split(",") if address)
        infos = [{"local": address, "prefixlen": int(length)} for address, length in pairs]
        listed.append({"ifname": name, "flags": ["BROADCAST", "UP"], "addr_info": infos})
    return json.dumps(listed)


def seen(state: str = status.ACTIVE, *troubles: str) -> status.NodeStatus:
    """What crane-ha would see."""
    return status.NodeStatus("node1", state, (("lock", "held by node2"),), troubles)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fake programs, and nothing else, are on PATH; this is their memory."""
    folder, programs = tmp_path / "state", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    for name, script in FAKES.items():
        (programs / name).write_text(LOG_CALL.format(state=folder) + script)
        (programs / name).chmod(0o755)
    (folder / "calls").touch()
    (folder / "addresses").write_text(addresses(("ens33", "192.168.1.11/24,fe80::1/64"), ("ib0", "10.1.0.1/16")))
    (folder / "firewalld.service.absent").touch()
    monkeypatch.setattr(run, "PATH", str(programs))
    return folder


@pytest.fixture
def node(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[FakeNode]:
    """A node on which all works; crane-ha-setup takes its folder for the machine itself."""
    if os.geteuid() != 0:
        pytest.skip("needs root: cranectld's user is another one")
    # pytest's own folders are closed to other users
    shared = Path(tempfile.mkdtemp(prefix="crane-shared-"))
    shared.chmod(0o755)
    shutil.chown(shared, "nobody")
    root = tmp_path / "root"
    root.mkdir()
    root.chmod(0o755)
    made = FakeNode(root, state, shared, capsys)
    made.write("/etc/crane/config.yaml", CONFIG.format(shared=shared))
    made.write("/usr/lib/systemd/system/cranectld.service", UNIT.format(config=root / "etc/crane/config.yaml"))
    for script in SCRIPTS:
        made.write(str(script), "#!/bin/sh\n", 0o755)
    monkeypatch.setattr(Options, "on_node", True)
    monkeypatch.setattr(status, "observe", lambda _root, _since=0.0: seen())
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    yield made
    shutil.rmtree(shared)


class Folder:
    """A root folder, a config.yaml beside it, and what crane-ha-setup says of them."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config, self.root, self.capsys = path / "config.yaml", path / "root", capsys
        self.root.mkdir()

    def setup(self, config: str, *arguments: str) -> tuple[int, list[str]]:
        """The exit code, and what was said, without what all lines begin with."""
        self.config.write_text(config)
        self.capsys.readouterr()
        code = cli.setup_main(["--root", str(self.root), "--config", str(self.config), *arguments])
        err = self.capsys.readouterr().err
        lines = [line.removeprefix("crane-ha-setup: ").removeprefix("error: ") for line in err.splitlines()]
        return code, [line.replace(f"{self.config}: ", "") for line in lines]

    def read(self, path: str) -> str:
        return (self.root / path).read_text()


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Folder:
    return Folder(tmp_path, capsys)


# ---- what the tests of crane-ha-setup on a node share ----

VIP = "192.168.1.211"
FIRST = ("--role", "master", "--vip", VIP)
OURS = {
    "keepalived/keepalived.conf",
    "crane-keepalived/settings",
    "crane-keepalived/node.yaml",
    "systemd/system/cranectld.service.d/50-crane-keepalived.conf",
    "systemd/system/keepalived.service.d/50-crane-keepalived.conf",
    "systemd/system/crane-keepalived-gate.service.d/50-crane-keepalived.conf",
    "tmpfiles.d/crane-keepalived.conf",
}
GENERATIONS = "var/lib/crane-keepalived/generations"


def lock_file(node: FakeNode) -> Path:
    return node.shared / "cranectld" / "ha.lock"


# ---- what the tests of its input share ----

GOOD = """\
CraneBaseDir: /var/crane
CraneCtldForeground: true
Keepalived:
  CraneSharedBaseDir: /nfs/crane
  VirtualAddresses: 192.168.1.211
"""
ARGUMENTS = ("--role", "master", "--interface", "ens33")


def keepalived(line: str) -> str:
    return GOOD + f"  {line}\n"


# ---- what the tests of queue-for-lock and the heartbeat share ----


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    made: list[Node] = []
    storage = tmp_path / "shared"
    lock.create(storage / "ha.lock", "1a2b3c4d")

    def make(**settings: str) -> Node:
        root = tmp_path / f"node{len(made) + 1}"
        made.append(Node(root, storage, **settings))
        return made[-1]

    yield make
    for node in made:
        node.stop()
