"""crane-ha-setup as a whole, on a node that is a folder with fake programs."""

from __future__ import annotations

import os
import stat

import pytest

from crane_keepalived import lock

from .conftest import FIRST, OURS, VIP, FakeNode, lock_file


def test_first_set_up_writes_makes_the_lock_and_starts(node: FakeNode) -> None:
    done = node.setup(*FIRST)
    assert (done.code, done.errors) == (0, [])
    assert OURS <= set(node.files())
    assert lock_file(node).owner() == "nobody"
    cluster_id = lock.read_cluster_id(lock_file(node))
    assert node.calls() == [
        f"keepalived -t -f {node.root}/var/lib/crane-keepalived/stage/etc/keepalived/keepalived.conf",
        "systemd-tmpfiles --create /etc/tmpfiles.d/crane-keepalived.conf",
        "systemctl daemon-reload",
        "systemctl enable keepalived.service cranectld.service",
        "systemctl start keepalived.service",
        "systemctl start --no-block cranectld.service",
    ]
    assert done.out.splitlines()[-2:] == [
        f"node1 is active: cranectld runs here, and {VIP} is on ens33",
        f"On the other node run:  crane-ha-setup --role backup --vip {VIP} --cluster-id {cluster_id}",
    ]
    assert f"interface ens33: its network 192.168.1.0/24 holds {VIP}" in done.out
    assert not (node.root / "var/lib/crane-keepalived/stage").exists()
    assert not (node.root / "var/lib/crane-keepalived/pending").exists()


def test_second_run_changes_nothing(node: FakeNode) -> None:
    node.setup(*FIRST)
    before = node.files()
    done = node.setup()
    assert done.code == 0
    assert done.out.startswith("unchanged")
    assert (node.files(), node.calls()) == (before, [])


def test_dry_run_writes_nothing_at_all(node: FakeNode) -> None:
    before = sorted(node.root.rglob("*"))
    done = node.setup(*FIRST, "--dry-run")
    assert done.code == 0
    assert "+++ /etc/keepalived/keepalived.conf\n" in done.out
    assert "keepalived.service and cranectld.service will be enabled" in done.out
    assert sorted(node.root.rglob("*")) == before
    assert not lock_file(node).parent.exists()
    assert node.calls() == []


def test_the_other_node_joins_by_the_lines_cluster_id(node: FakeNode) -> None:
    lock_file(node).parent.mkdir()
    lock.create(lock_file(node), "1a2b3c4d")
    os.chown(lock_file(node), node.shared.stat().st_uid, -1)
    assert node.setup("--role", "backup", "--vip", VIP, "--cluster-id", "1a2b3c4d").code == 0
    assert "CLUSTER_ID='1a2b3c4d'" in node.read("/etc/crane-keepalived/settings")


def test_another_storage_is_refused(node: FakeNode) -> None:
    node.setup(*FIRST)
    found = lock.read_cluster_id(lock_file(node))
    done = node.setup("--cluster-id", "00000000")
    assert done.code == 2
    assert f"holds cluster id {found}, but --cluster-id says 00000000" in done.err


def test_a_lock_file_that_should_be_there_is_not_made_in_silence(node: FakeNode) -> None:
    done = node.setup(*FIRST, "--cluster-id", "1a2b3c4d")
    assert (done.code, lock_file(node).exists()) == (2, False)
    assert "is missing, though --cluster-id says 1a2b3c4d" in done.err
    done = node.setup(*FIRST, "--cluster-id", "1a2b3c4d", "--create-lock")
    assert (done.code, lock.read_cluster_id(lock_file(node))) == (0, "1a2b3c4d")
    assert node.setup("--create-lock").out.startswith("unchanged")


def test_a_running_cranectld_is_taken_over_with_one_restart_that_is_announced(node: FakeNode) -> None:
    node.set_unit("keepalived.service", active=True, enabled=True)
    node.set_unit("cranectld.service", active=True)
    done = node.setup(*FIRST)
    assert "cranectld runs on this node: it will be restarted once" in done.out
    # PartOf= takes cranectld along
    assert [call for call in node.calls() if "start" in call] == ["systemctl restart keepalived.service"]


@pytest.mark.parametrize(
    ("option", "value", "calls"),
    [
        ("--priority", "200", ["systemctl daemon-reload", "systemctl reload keepalived.service"]),
        ("--hook-timeout", "9", ["systemctl daemon-reload"]),
        ("--storage-lease", "30", ["systemctl daemon-reload", "systemctl restart --no-block cranectld.service"]),
        ("--vip", "192.168.1.212", ["systemctl daemon-reload", "systemctl restart keepalived.service"]),
    ],
)
def test_only_what_changed_is_restarted(node: FakeNode, option: str, value: str, calls: list[str]) -> None:
    node.setup(*FIRST)
    node.setup(option, value)
    assert node.calls("systemctl") == calls


def test_what_is_stopped_or_disabled_is_mended_alone(node: FakeNode) -> None:
    node.setup(*FIRST)
    node.set_unit("keepalived.service", active=True)
    node.set_unit("cranectld.service", enabled=True)
    done = node.setup()
    assert "keepalived.service will be enabled" in done.out
    assert node.calls("systemctl") == [
        "systemctl enable keepalived.service",
        "systemctl start --no-block cranectld.service",
    ]


def test_units_that_systemd_has_not_read_again_are_read(node: FakeNode) -> None:
    node.setup(*FIRST)
    (node.state / "keepalived.service.outdated").touch()
    assert "systemd will read its units again" in node.setup().out
    assert node.calls("systemctl") == ["systemctl daemon-reload"]


def test_a_set_up_that_was_cut_off_is_finished_by_the_next(node: FakeNode) -> None:
    node.setup(*FIRST)
    node.write("/var/lib/crane-keepalived/pending", "")
    node.setup()
    assert node.calls("systemctl restart") == ["systemctl restart keepalived.service"]
    assert not (node.root / "var/lib/crane-keepalived/pending").exists()


def test_foreign_configuration_is_kept_named_and_put_back(node: FakeNode) -> None:
    foreign = "vrrp_instance VI_1 {\n  authentication {\n    auth_pass 1111\n  }\n}\n"
    node.write("/etc/keepalived/keepalived.conf", foreign, 0o640)
    before = node.files()
    done = node.setup(*FIRST)
    kept = "/var/lib/crane-keepalived/generations/0000/etc_keepalived_keepalived.conf"
    assert f"the former /etc/keepalived/keepalived.conf is kept in {kept}" in done.out
    assert "auth_pass ********" in done.out
    assert "1111" not in done.out
    assert node.read(kept) == foreign
    done = node.setup("--remove")
    assert done.code == 0
    assert node.files() == before
    assert stat.S_IMODE((node.root / "etc/keepalived/keepalived.conf").stat().st_mode) == 0o640


def test_wrong_rights_alone_are_mended(node: FakeNode) -> None:
    node.setup(*FIRST)
    path = node.root / "etc/crane-keepalived/settings"
    path.chmod(0o666)
    done = node.setup()
    assert "+++ /etc/crane-keepalived/settings\n(it becomes a file of root's, mode 0644)\n" in done.out
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_link_is_put_back_as_a_link(node: FakeNode) -> None:
    node.write("/etc/keepalived/site.conf", "global_defs {\n}\n")
    path = node.root / "etc/keepalived/keepalived.conf"
    path.symlink_to("site.conf")
    node.setup(*FIRST)
    assert not path.is_symlink()
    assert node.read("/etc/keepalived/site.conf") == "global_defs {\n}\n"
    node.setup("--remove")
    assert os.readlink(path) == "site.conf"


def test_remove_restores_units_and_leaves_the_lock(node: FakeNode) -> None:
    node.set_unit("cranectld.service", active=True)
    node.setup(*FIRST)
    done = node.setup("--remove")
    assert done.code == 0
    assert node.calls("systemctl") == [
        "systemctl stop cranectld.service keepalived.service",
        "systemctl daemon-reload",
        "systemctl disable keepalived.service",
        "systemctl stop --no-block keepalived.service",
        "systemctl disable cranectld.service",
        "systemctl restart --no-block cranectld.service",
    ]
    assert f"{lock_file(node)} stays on the shared storage: the other node may use it" in done.out
    assert lock_file(node).exists()
    assert not OURS & set(node.files())
    done = node.setup("--remove")
    assert (done.code, done.out) == (0, "not set up: nothing to remove\n")


def test_remove_shows_first_what_it_would_do(node: FakeNode) -> None:
    node.setup(*FIRST)
    before = node.files()
    done = node.setup("--remove", "--dry-run")
    assert "/etc/keepalived/keepalived.conf will go\n" in done.out
    assert node.files() == before


def test_keepalived_is_asked_before_anything_is_replaced(node: FakeNode) -> None:
    before = node.files()
    node.write("/root/pass", "BAD\n", 0o600)
    done = node.setup(*FIRST, "--vrrp-version", "2", "--auth-pass-file", "/root/pass")
    assert done.code == 1
    assert done.errors == [
        "crane-ha-setup: error: keepalived refuses the new keepalived.conf (status 4): (line 7) nonsense"
    ]
    assert node.files() == before
    assert not lock_file(node).exists()
    assert node.calls("systemctl") == []


def test_a_secret_is_read_by_root_alone(node: FakeNode) -> None:
    node.write("/root/pass", "s3cret\n", 0o600)
    done = node.setup(*FIRST, "--vrrp-version", "2", "--auth-pass-file", "/root/pass")
    assert done.code == 0
    assert "s3cret" not in done.out
    assert "        auth_pass s3cret\n" in node.read("/etc/keepalived/keepalived.conf")
    assert stat.S_IMODE((node.root / "etc/keepalived/keepalived.conf").stat().st_mode) == 0o600
    node.write("/root/pass", "0ther\n", 0o600)
    done = node.setup()
    assert "(the password changes)" in done.out
    assert "0ther" not in done.out
