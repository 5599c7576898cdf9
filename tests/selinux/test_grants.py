"""What the module adds to a policy is what grants.py says: no less, and no more."""

from __future__ import annotations

import re

import pytest

from selinux.grants import DOMAINS, FENCE, GRANTS, HOOK, KEEPALIVED, SCRIPT, Grant
from selinux.policy import Rule
from selinux.store import Linked

MAIL = "crane_keepalived_send_mail"
OURS = re.compile(r"\b(crane_keepalived|cranectld)_\w+")
# what each of our types is, in the distributions' words
ATTRIBUTES = {
    SCRIPT: "domain",
    HOOK: "domain",
    FENCE: "domain",
    "crane_keepalived_exec_t": "file exec entry",
    "crane_keepalived_fence_exec_t": "file exec entry",
    "crane_keepalived_hook_exec_t": "file exec entry",
    "crane_keepalived_conf_t": "file conf",
    "cranectld_unit_file_t": "file unit",
    "crane_keepalived_gate_t": "file pid",
    "crane_keepalived_var_run_t": "file pid",
}
MEANING = {
    # every domain; the Red Hat family's logging_send_syslog_msg, and its domain_type: packets without a label
    "domain": {"domain", "crane_keepalived_domain", "syslog_client_type", "corenet_unlabeled_type"},
    "file": {"file_type", "non_auth_file_type", "non_security_file_type"},
    "exec": {"exec_type"},
    "entry": {"entry_type"},
    "conf": {"configfile"},
    "unit": {"systemdunit", "systemd_unit_file_type"},
    "pid": {"pidfile"},
}
# "every domain but": the compiler's names for what a rule of the distribution leaves out
GENERATED = re.compile(r"\w+_typeattr_\d+")


@pytest.fixture(scope="module")
def added(linked: Linked) -> list[Rule]:
    """The rules that are new, those of our own attribute as rules of its domains."""
    old = set(linked.before.rules())
    new = [rule for rule in linked.after.rules() if rule not in old]
    found = []
    for rule in new:
        for source in linked.after.expand(rule.source) if OURS.match(rule.source) else {rule.source}:
            target = source if rule.target == "self" else rule.target
            found.append(Rule(rule.kind, source, target, rule.tclass, rule.permissions, rule.when))
    return found


def test_nothing_is_taken_from_anybody(linked: Linked) -> None:
    assert linked.before.statements <= linked.after.statements
    assert linked.before.types < linked.after.types


def test_every_new_statement_names_us(linked: Linked) -> None:
    new = linked.after.statements - linked.before.statements
    assert [statement for statement in sorted(new) if not OURS.search(statement)] == []


def test_only_our_types_join_an_attribute(linked: Linked) -> None:
    assert linked.before.attributes.keys() == linked.after.attributes.keys() - {"crane_keepalived_domain"}
    for name, before in linked.before.attributes.items():
        assert linked.after.attributes[name] - before <= ATTRIBUTES.keys(), name
        assert before <= linked.after.attributes[name]


@pytest.mark.parametrize("type_", ATTRIBUTES)
def test_our_types_are_nothing_special(linked: Linked, type_: str) -> None:
    """No domain of ours is unconfined, permissive, or may what only a named few may (can_load_policy and the like)."""
    mine = {name for name, types in linked.after.attributes.items() if type_ in types and not GENERATED.fullmatch(name)}
    assert mine <= set().union(*(MEANING[word] for word in ATTRIBUTES[type_].split()))
    assert f"(typepermissive {type_})" not in linked.after.statements


def test_our_types_are_these(linked: Linked) -> None:
    assert linked.after.types - linked.before.types == ATTRIBUTES.keys()


def test_one_boolean_and_it_is_off(linked: Linked) -> None:
    assert linked.after.booleans.keys() - linked.before.booleans.keys() == {MAIL}
    assert not linked.after.booleans[MAIL]


def test_no_role_but_that_of_services(linked: Linked) -> None:
    roles = [statement for statement in linked.after.statements if re.match(r"\(roletype \S+ crane", statement)]
    domains = {f"(roletype system_r {domain})" for domain in DOMAINS.split()}
    assert domains == {statement for statement in roles if not statement.startswith("(roletype object_r ")}


def covered(rule: Rule) -> frozenset[str]:
    """The permissions that some row grants."""
    found: set[str] = set()
    for grant in GRANTS:
        if (
            rule.source in grant.sources.split()
            and rule.target in grant.targets.split()
            and rule.tclass in grant.classes
            and (not grant.mail or rule.when == MAIL)
        ):
            found |= grant.all(rule.tclass)
    # a type of files may lie on a file system that is labelled with it
    return frozenset(found | ({"associate"} if (rule.source, rule.tclass) == (rule.target, "filesystem") else set()))


def test_no_rule_is_added_that_no_row_names(added: list[Rule]) -> None:
    beyond = [rule for rule in added if rule.kind == "allow" and not rule.permissions <= covered(rule)]
    assert not beyond, "\n".join(map(str, beyond))


def test_no_more_than_this_is_kept_out_of_the_audit_log(added: list[Rule]) -> None:
    """What the distributions' interfaces silence, and the larger buffers that systemctl asks for."""
    silenced = {
        (rule.target, rule.tclass)
        for rule in added
        if rule.kind == "dontaudit" and rule.source in DOMAINS.split() and rule.target not in DOMAINS.split()
    }
    assert {target for target, _ in silenced} <= {
        *("cgroup_t", "console_device_t", "init_t", "proc_t", "security_t"),
        *("selinux_config_t", "sysctl_kernel_t", "sysfs_t", "system_mail_t"),
    }
    own = [rule for rule in added if rule.kind == "dontaudit" and rule.source == rule.target]
    assert {rule.tclass for rule in own} <= {"capability", "file", "udp_socket"}
    asked = frozenset[str]().union(*(rule.permissions for rule in own if rule.tclass == "capability"))
    assert asked <= {"net_admin", "sys_module", "sys_resource"}


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: f"{grant.sentence}: {grant.sources} {grant.targets}")
def test_each_row_is_granted(linked: Linked, grant: Grant) -> None:
    policy = linked.after
    sources = policy.expand(grant.sources) if grant.sources in policy.attributes else grant.sources.split()
    # a distribution has one of the names
    targets = {target for name in grant.targets.split() for target in policy.expand(name) & policy.types}
    for source in sources:
        for tclass in grant.classes:
            got = [policy.allowed(source, target, tclass, crane_keepalived_send_mail=True) for target in targets]
            assert not targets or any(grant.needed(tclass) <= permissions for permissions in got), tclass


def test_keepalived_gains_this_and_nothing_else(linked: Linked, added: list[Rule]) -> None:
    """Here once more without a table, for it is what an administrator asks first."""
    mine = [rule for rule in added if KEEPALIVED in linked.after.expand(rule.source) and rule.kind == "allow"]
    gained = {(rule.target, rule.tclass): set(rule.permissions) for rule in mine}
    assert len(gained) == len(mine)
    # EL 9's domtrans_pattern
    gained["crane_keepalived_exec_t", "file"].discard("execute_no_trans")
    assert gained == {
        ("crane_keepalived_exec_t", "file"): {"execute", "getattr", "ioctl", "map", "open", "read"},
        (SCRIPT, "process"): {"transition", "getpgid", "sigkill", "signal"},
        ("crane_keepalived_gate_t", "file"): {"getattr", "ioctl", "lock", "open", "read"},
    }


def test_type_transitions(linked: Linked) -> None:
    pattern = re.compile(r"(?:when (\S+): )?\(typetransition (\S+) (\S+) (\S+) (?:\S+ )?(\S+)\)")
    found = set()
    for statement in linked.after.statements - linked.before.statements:
        if rule := pattern.fullmatch(statement):
            when, source, target, tclass, result = rule.groups()
            # as every domain has it: another that is surely there has the same
            other = OURS.sub("crond_t", statement)
            if other not in linked.before.statements:
                found.add((when, source, target, tclass, result))
    always = {
        (None, KEEPALIVED, "crane_keepalived_exec_t", "process", SCRIPT),
        (None, SCRIPT, "crane_keepalived_hook_exec_t", "process", HOOK),
        (None, "init_t", "crane_keepalived_fence_exec_t", "process", FENCE),
    }
    assert always <= found
    for when, source, target, tclass, result in found - always:
        assert (when, source, tclass, result) == (MAIL, HOOK, "process", "system_mail_t")
        assert target in linked.after.expand("mta_exec_type")
