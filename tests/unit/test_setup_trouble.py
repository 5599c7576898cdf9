"""crane-ha-setup when something fails, hangs or is in the way, on a node that is a folder with fake programs."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from crane_keepalived import lock, setup, status

from .conftest import FIRST, GENERATIONS, OURS, VIP, FakeNode, addresses, seen


@pytest.mark.parametrize(
    "failing", ["start keepalived.service", "daemon-reload", "enable keepalived.service cranectld.service"]
)
def test_a_failure_after_the_rename_puts_everything_back(node: FakeNode, failing: str) -> None:
    node.write("/etc/keepalived/keepalived.conf", "mine\n")
    before = node.files()
    (node.state / "fail").write_text(failing)
    done = node.setup(*FIRST)
    assert done.code == 1
    assert "Job failed" in done.err
    if failing != "daemon-reload":  # which is needed to put things back as well
        assert "the former files are back" in done.err
    assert node.files() == before
    assert not list((node.state).glob("*.service.active"))
    (node.state / "fail").unlink()
    assert node.setup(*FIRST).code == 0
    assert node.read(f"/{GENERATIONS}/0000/etc_keepalived_keepalived.conf") == "mine\n"


def test_a_node_that_does_not_settle_keeps_its_files(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "SETTLE_LIMIT", 0.01)
    monkeypatch.setattr(
        status, "observe", lambda _root, _since=0.0: seen(status.TAKING_OVER, "the address is not here yet")
    )
    done = node.setup(*FIRST)
    assert done.code == 1
    assert done.errors == [
        "crane-ha-setup: error: all is written and started, but after 2.01 s node1 is taking over: "
        "the address is not here yet; see crane-ha status, and journalctl -u keepalived -u cranectld"
    ]
    assert OURS <= set(node.files())


def test_standby_says_who_holds_the_lock(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "observe", lambda _root, _since=0.0: seen(status.STANDBY))
    done = node.setup(*FIRST)
    assert "\nnode1 is standby: cranectld waits here for the storage lock, held by node2\n" in done.out


def test_firewalld_is_told_and_told_again_at_the_end(node: FakeNode) -> None:
    (node.state / "firewalld.service.absent").unlink()
    node.set_unit("firewalld.service", active=True)
    done = node.setup(*FIRST)
    assert "firewalld runs on this node: it will be told to accept VRRP" in done.out
    assert node.calls("firewall-cmd") == [
        'firewall-cmd --permanent --zone=trusted --query-rich-rule=rule protocol value="vrrp" accept',
        'firewall-cmd --permanent --zone=trusted --add-rich-rule=rule protocol value="vrrp" accept',
        'firewall-cmd --zone=trusted --add-rich-rule=rule protocol value="vrrp" accept',
    ]
    node.setup()
    assert node.calls("firewall-cmd") == []
    node.setup("--remove")
    assert node.calls("firewall-cmd") == [
        'firewall-cmd --permanent --zone=trusted --remove-rich-rule=rule protocol value="vrrp" accept',
        'firewall-cmd --zone=trusted --remove-rich-rule=rule protocol value="vrrp" accept',
    ]


def test_generations_keep_the_first_and_ten_more(node: FakeNode) -> None:
    for priority in range(1, 15):
        assert node.setup(*FIRST, "--priority", str(priority)).code == 0
    kept = sorted(path.name for path in (node.root / GENERATIONS).iterdir())
    assert kept == ["0000", *(f"{number:04d}" for number in range(4, 14))]
    manifest = json.loads(node.read(f"/{GENERATIONS}/0000/manifest.json"))
    assert manifest["units"]["keepalived.service"] == {
        "installed": True,
        "active": False,
        "enabled": False,
        "outdated": False,
    }
    assert all(entry.get("absent") for entry in manifest["files"])
    assert stat.S_IMODE((node.root / "var/lib/crane-keepalived").stat().st_mode) == 0o700


def test_a_second_crane_ha_setup_is_refused(node: FakeNode) -> None:
    import fcntl

    folder = node.root / "var/lib/crane-keepalived"
    folder.mkdir(parents=True)
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    done = node.setup(*FIRST)
    os.close(descriptor)
    assert done.errors == ["crane-ha-setup: error: another crane-ha-setup runs on this node; wait for it"]


def test_a_tty_is_asked_once(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "n"

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    before = node.files()
    done = node.setup(*FIRST)
    assert (done.code, asked) == (1, ["Go on? [y/N] "])
    assert done.errors == ["crane-ha-setup: error: stopped: nothing was changed"]
    assert node.files() == before
    assert node.setup(*FIRST, "--yes").code == 0
    assert len(asked) == 1


def test_interrupted_while_it_writes_it_puts_everything_back(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    before = node.files()
    monkeypatch.setattr("crane_keepalived.commit.relabel", interrupt)
    done = node.setup(*FIRST)
    assert done.errors == [
        "crane-ha-setup: error: interrupted; the former files are back, and the services run with them again; "
        "see journalctl -u keepalived"
    ]
    assert node.files() == before


def test_what_was_given_before_is_remembered_until_forgotten(node: FakeNode) -> None:
    node.setup(*FIRST, "--priority", "7", "--failback", "--router-id", "9")
    done = node.setup("--no-failback")
    assert "    priority 7\n" in node.read("/etc/keepalived/keepalived.conf")
    assert "--router-id 9 --no-failback --cluster-id" in done.out
    assert "--priority" not in done.out.splitlines()[-1]
    done = node.setup("--forget", "--vip", VIP)
    assert "    priority 250\n" in node.read("/etc/keepalived/keepalived.conf")
    assert "virtual_router_id 51" in node.read("/etc/keepalived/keepalived.conf")


def test_the_nodes_own_address_is_no_peer(node: FakeNode) -> None:
    done = node.setup(*FIRST, "--peer", "192.168.1.11", "--peer", "192.168.1.12")
    assert done.code == 0
    text = node.read("/etc/keepalived/keepalived.conf")
    assert "    unicast_src_ip 192.168.1.11\n    unicast_peer {\n        192.168.1.12\n    }\n" in text
    assert "--peer 192.168.1.11 --peer 192.168.1.12" in done.out


def test_all_that_only_the_node_knows_is_checked_at_once(node: FakeNode) -> None:
    (node.state / "addresses").write_text(addresses(("ens33", "10.0.0.1/8"), ("ens34", "172.16.0.1/12")))
    (node.state / "keepalived.service.absent").touch()
    (node.root / "usr/lib/systemd/system/cranectld.service").unlink()
    (node.root / "usr/libexec/crane-keepalived").chmod(0o775)
    (node.root / "usr/libexec/crane-keepalived/on_fault.sh").unlink()
    node.write("/etc/crane-keepalived/check.d/probe", "#!/bin/sh\n", 0o777)
    done = node.setup("--vip", VIP, "--cluster-id", "xyz")
    assert done.code == 2
    assert [line.removeprefix("crane-ha-setup: error: ") for line in done.errors] == [
        "keepalived.service: is not installed, or masked; dnf install keepalived; systemctl unmask keepalived",
        "--role: is missing; give --role master on one node, --role backup on the other",
        "cranectld.service: is not installed on this node; install CraneSched's cranectld first",
        *(
            ["cranectld.service: runs as crane, whom this node does not know; make that user first"]
            if "crane" not in Path("/etc/passwd").read_text()
            else []
        ),
        f"--vip: {VIP} lies in no network of this node; choose another address, or name the interface with "
        "--interface; there are: ens33 (10.0.0.0/8), ens34 (172.16.0.0/12)",
        "--cluster-id: xyz is not 8 hexadecimal digits; copy it from the line that crane-ha-setup printed on the "
        "other node",
        "/usr/libexec/crane-keepalived: is writable by others than root (mode 0775): keepalived would not run "
        "/usr/libexec/crane-keepalived/check_and_failover.sh; chmod go-w /usr/libexec/crane-keepalived",
        "/usr/libexec/crane-keepalived/on_fault.sh: is missing; install the package crane-keepalived again",
        "/etc/crane-keepalived/check.d/probe: is writable by others than root (mode 0777): root would run "
        "/etc/crane-keepalived/check.d/probe; chmod go-w /etc/crane-keepalived/check.d/probe",
    ]


def test_not_root_is_said_with_all_the_rest(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    done = node.setup("--role", "master", "--router-id", "0", "--vip", VIP)
    assert done.code == 2
    assert done.errors == [
        "crane-ha-setup: error: not root: only root can set up a node; run it with sudo",
        "crane-ha-setup: error: --router-id: 0 is not a whole number from 1 to 255; choose 1 to 255",
    ]


@pytest.mark.parametrize(
    "start", ["", " -C /etc/other.yaml", " --config=/etc/other.yaml -p 1", " --config '/etc/other.yaml'"]
)
def test_cranectld_reads_another_configuration(node: FakeNode, start: str) -> None:
    node.write(
        "/usr/lib/systemd/system/cranectld.service", f"[Service]\nUser=nobody\nExecStart=/usr/bin/cranectld{start}\n"
    )
    read = "/etc/other.yaml" if start else "/etc/crane/config.yaml"
    done = node.setup(*FIRST)
    assert f"warning: {node.root}/etc/crane/config.yaml: is not its configuration: cranectld reads {read} (" in done.err
    assert f"give --config {read}, or change the unit" in done.err


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        ("rm -r {shared}", "there is no folder {shared} on this node; mount the shared storage, or make the folder"),
        ("rm -r {shared}; touch {shared}", "{shared} is no folder; name the folder that both nodes share"),
        ("chown root {shared}", "nobody cannot write into {shared}; make {shared}/cranectld and give it to nobody"),
        ("chmod 700 {shared}; chown root {shared}", "nobody cannot use {shared}: Permission denied; give it to nobody"),
        (
            "mkdir {shared}/cranectld; touch {shared}/cranectld/cranectld.lock; chown nobody {shared}/cranectld",
            "nobody cannot write {shared}/cranectld/cranectld.lock; chown nobody {shared}/cranectld/cranectld.lock",
        ),
        (
            "mkdir {shared}/cranectld; touch {shared}/cranectld/ha.lock; chown -R nobody {shared}/cranectld",
            "{shared}/cranectld/ha.lock is not a lock file of crane-keepalived; move it away if nobody needs it",
        ),
    ],
)
def test_storage_that_cranectld_could_not_use(node: FakeNode, prepare: str, said: str) -> None:
    os.system(prepare.format(shared=node.shared))  # noqa: S605
    done = node.setup(*FIRST)
    node.shared.unlink() if node.shared.is_file() else None
    node.shared.mkdir(exist_ok=True)
    assert done.code == 2
    assert f"Keepalived.CraneSharedBaseDir: {said.format(shared=node.shared)}" in "\n".join(done.errors)


def test_storage_that_hangs_is_named(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    monkeypatch.setattr("crane_keepalived.storage.LIMIT", 0.2)
    monkeypatch.setattr("crane_keepalived.storage._look", lambda *_arguments: signal.pause())
    done = node.setup(*FIRST)
    assert done.errors == [
        f"crane-ha-setup: error: {node.root}/etc/crane/config.yaml: Keepalived.CraneSharedBaseDir: "
        f"{node.shared} does not answer within 0.2 s; mend the storage or its mount"
    ]


def test_the_other_node_made_the_lock_at_the_same_time(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "create", lambda _path, _id, again: "0ther000")
    before = node.files()
    done = node.setup(*FIRST)
    assert done.code == 1
    assert "was made by the other node just now, with cluster id 0ther000; run crane-ha-setup again" in done.err
    assert node.files() == before


def test_a_lock_file_that_is_a_copy_is_warned_of(node: FakeNode) -> None:
    assert node.setup(*FIRST).code == 0
    path = node.shared / "cranectld/ha.lock"
    assert "is a copy" not in node.setup().err
    path.rename(path.with_name("former"))
    shutil.copy2(path.with_name("former"), path)
    shutil.chown(path, "nobody")
    assert f"warning: {path}: is a copy, or has another inode number on this node" in node.setup().err
