"""What others may do to our files, our processes and the unit: nothing by us, and what a distribution gives them.

A distribution's rules are for attributes: every file, every program, every unit. A module cannot take them away; these
tables say who they are. Booleans stand as the distribution has them, and unconfined domains are left out.
"""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from selinux.grants import HOOK, KEEPALIVED, SCRIPT
from selinux.never import CHANGE, FILES, OUR_FILES, UNIT
from selinux.policy import Policy
from selinux.store import Linked

# by our own rules; systemd-tmpfiles on Debian, where it may not make everything in /run
DIRECT = {SCRIPT, "systemd_tmpfiles_t"}
WRITERS = {
    "systemd": "init_t kernel_t systemd_tmpfiles_t systemd_*_generator_t",
    "labels and packages": "restorecond_t rpmdb_t setfiles_t",
    "administrators whom a policy confines": "secadm_t staff_t sysadm_t",
    "every file that is no secret": "abrt_dump_oops_t automount_t certmonger_t chronyc_t glusterd_t neutron_t "
    "pegasus_openlmi_admin_t snapperd_t staff_wine_t system_dbusd_t tmpreaper_t user_wine_t virtd_lxc_t virtqemud_t "
    "xdm_t",
}
CONTROLLERS = {
    "systemd": "init_t systemd_logind_t udev_t",
    "users, whom systemd asks for more than a label: uid 0, or polkit": "staff_t sysadm_t user_t *_dbusd_t",
    "every unit": "logrotate_t pegasus_openlmi_admin_t system_cronjob_t",
}


def others(policy: Policy, targets: str, classes: str, permissions: str) -> dict[str, set[str]]:
    """The confined domains that may do any of it, with the names by which the rules call the targets."""
    wanted, unconfined = set(permissions.split()), policy.expand("unconfined_domain_type")
    found: dict[str, set[str]] = {}
    for rule in policy.rules():
        if rule.kind != "allow" or rule.tclass not in classes.split() or not rule.permissions & wanted:
            continue
        if policy.expand(rule.target) & set(targets.split()) and policy.now(rule):
            for source in policy.expand(rule.source) - unconfined:
                found.setdefault(source, set()).add(rule.target)
    return found


def listed(name: str, table: dict[str, str]) -> bool:
    return any(fnmatch(name, word) for words in table.values() for word in words.split())


def test_who_writes_our_files(linked: Linked) -> None:
    found = others(linked.after, OUR_FILES, FILES, CHANGE)
    assert {name for name in found if not listed(name, WRITERS)} == {SCRIPT}
    assert {name for name, targets in found.items() if targets & set(OUR_FILES.split())} <= DIRECT
    # a script writes its notes, as a row of never.py has it


def test_who_controls_the_unit(linked: Linked) -> None:
    found = others(linked.after, UNIT, "service", "start stop reload enable disable")
    assert {name for name in found if not listed(name, CONTROLLERS)} == {SCRIPT, HOOK}
    assert {name for name, targets in found.items() if UNIT in targets} == {SCRIPT, HOOK}


@pytest.mark.parametrize(("domain", "starter"), [(SCRIPT, KEEPALIVED), (HOOK, SCRIPT)])
def test_who_enters_our_domains(linked: Linked, domain: str, starter: str) -> None:
    assert others(linked.after, domain, "process", "transition dyntransition").keys() == {starter}
    entry_points = [rule for rule in linked.after.rules_of(domain) if "entrypoint" in rule.permissions]
    assert {rule.target for rule in entry_points} == {domain.replace("_t", "_exec_t")}


def test_who_looks_into_our_processes(linked: Linked) -> None:
    """With ptrace one becomes the other. (In the Red Hat family also who writes the reports of crashes.)"""
    found = others(linked.after, f"{SCRIPT} {HOOK}", "process", "ptrace")
    assert found.keys() <= {"abrt_dump_oops_t", "sysadm_t"}
