"""The packages' scriptlets where there is an SELinux to speak to: upgrade, removal, failures that must be heard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import node as it
from .conftest import NAME, POLICY, REPOSITORY, Told, install, set_up
from .machine import Machine

OURS = ("/usr/libexec/crane-keepalived/on_master.sh", "/usr/lib/systemd/system/cranectld.service", it.ETC)
SCRIPT, UNIT, _ = OURS
UNIT_COPY = "/etc/systemd/system/cranectld.service"


def types(machine: Machine, *paths: str) -> list[str]:
    return [line.split(":")[2] for line in machine.run(["stat", "--format=%C", *paths]).stdout.splitlines()]


def modules(machine: Machine) -> list[str]:
    return [line for line in machine.run("semodule --list-modules").stdout.split() if "crane" in line]


def test_an_upgrade_keeps_module_and_labels(bare: Machine, told: Told) -> None:
    # Debian's rpm has no plugin for SELinux: until the last scriptlet labels them, new files are any program's
    told.expect_from("keepalived_t")
    older = ["--disablerepo=*", "--repofrompath=older,file:///srv/older", "--nogpgcheck", NAME]
    install(bare, *older)
    set_up(bare)
    it.wait_active(bare)
    release, daemon = bare.run(f"rpm -q {NAME}-selinux").stdout, it.main_pid(bare)
    said = bare.run(f"dnf -y upgrade {NAME}").stdout
    assert bare.run(f"rpm -q {NAME}-selinux").stdout != release, said
    assert modules(bare) == ["crane_keepalived"]
    labels = ["crane_keepalived_exec_t", "cranectld_unit_file_t", "crane_keepalived_conf_t"]
    assert types(bare, *OURS) == labels
    assert it.is_well(bare, "active")
    assert it.main_pid(bare) == daemon


def test_removal_takes_module_and_labels_away(node: Machine) -> None:
    node.run(f"dnf -y remove {NAME} {NAME}-selinux")
    assert modules(node) == []
    assert types(node, UNIT)[0].startswith("systemd_unit")
    node.run("systemctl restart cranectld")
    node.wait_until("cranectld runs by itself", lambda: it.main_pid(node) > 0, it.SETTLED)


def test_a_module_that_does_not_load_is_told_by_dnf_setup_and_status(bare: Machine, told: Told) -> None:
    # without the module again, at the end, nothing of ours is left unrefused
    told.expect_from("keepalived_t", "crane_keepalived_t", "unlabeled_t", "unconfined_t", "init_t")
    bare.write("/usr/libexec/semodule-that-fails", "#!/bin/sh\nexit 1\n", 0o755)
    bare.run("mount --bind /usr/libexec/semodule-that-fails /usr/sbin/semodule")
    done = bare.run(["dnf", "-y", "install", NAME])
    said = done.stdout + done.stderr
    assert "the SELinux module could not be installed; run: semodule -X 200 -i /usr/share/selinux/" in said
    assert "the SELinux module is not loaded, failover will not work; run: semodule" in said
    refused = bare.run("crane-ha-setup --role master --vip 192.168.1.211", check=False)
    assert refused.returncode == 2
    assert "SELinux: the policy module crane_keepalived is not loaded" in refused.stderr
    assert bare.run("ls /etc/keepalived/keepalived.conf", check=False).returncode != 0
    bare.run("umount /usr/sbin/semodule")
    bare.run(told_command(said))
    bare.run("crane-ha-setup --role master --vip 192.168.1.211")
    it.wait_active(bare)
    bare.run("semodule -X 200 -r crane_keepalived")
    seen = bare.run("crane-ha status", check=False)
    assert seen.returncode == 1
    assert "SELinux: the policy module crane_keepalived is not loaded" in seen.stdout + seen.stderr


def told_command(said: str) -> str:
    """What the packages advise to run."""
    line = next(line for line in said.splitlines() if "is not loaded, failover will not work; run: " in line)
    return line.partition("; run: ")[2]


def test_a_unit_moved_there_by_hand_is_told_with_the_command_that_labels_it(node: Machine, told: Told) -> None:
    # systemd tells even the administrator nothing of a unit with such a label, and on EL may not read it itself
    told.expect_from("unconfined_t", "init_t")
    node.run(f"cp {UNIT} /root/copy && mv /root/copy {UNIT_COPY} && systemctl daemon-reload")
    assert types(node, UNIT_COPY) != ["cranectld_unit_file_t"]
    for command in ("crane-ha status", "crane-ha-setup --dry-run"):
        seen = node.run(command, check=False)
        cure = f"restorecon -F -v {UNIT_COPY}; systemctl daemon-reload"
        assert f"{UNIT_COPY} " in seen.stdout + seen.stderr
        assert cure in seen.stdout + seen.stderr or "SELinux label again" in seen.stdout
    node.run(cure)
    assert types(node, UNIT_COPY) == ["cranectld_unit_file_t"]
    it.wait_active(node)
    old = it.main_pid(node)
    node.run(f"kill -STOP {old}")
    it.wait_new_daemon(node, old)


def test_a_unit_elsewhere_is_refused_with_the_command_that_labels_it(node: Machine) -> None:
    node.run(f"mkdir /opt/crane && cp {UNIT} /opt/crane/ && ln -s /opt/crane/cranectld.service {UNIT_COPY}")
    refused = node.run("crane-ha-setup", check=False)
    assert refused.returncode == 2
    cure = refused.stderr.strip().rpartition("may not control it; ")[2]
    assert cure.startswith("semanage fcontext -a -t cranectld_unit_file_t /opt/crane/cranectld.service; ")
    node.run(cure)
    node.run("crane-ha-setup")
    it.wait_active(node)


# Debian's kernel knows no selinux=0: another security module takes the place
@pytest.fixture(params=[("enforcing=0", "Permissive"), ("security=apparmor", "Disabled")], ids=lambda param: param[1])
def other(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A machine that boots permissive, or without SELinux."""
    kernel, mode = request.param
    with Machine(POLICY, kernel=kernel) as machine:
        machine.start()
        assert machine.run("getenforce").stdout.strip() == mode
        machine.copy(REPOSITORY, "/srv/crane-repo")
        yield machine


def test_permissive_or_without_selinux_it_installs_and_works_the_same(other: Machine) -> None:
    install(other)
    set_up(other)
    it.wait_active(other)
    old = it.main_pid(other)
    other.run(f"kill -9 {old}")
    it.wait_new_daemon(other, old)
    other.run(f"dnf -y remove {NAME}")
