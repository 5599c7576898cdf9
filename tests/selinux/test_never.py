"""No row of never.py is allowed, however the booleans of the policy are set."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from selinux.given import EVERY_DOMAIN, NOT_OURS
from selinux.never import NEVER, Never
from selinux.never_fence import NEVER_FENCE
from selinux.policy import Policy, Rule
from selinux.store import Linked


def among(name: str, words: str) -> bool:
    """Is the name one of "WORD WORD -WORD", where * stands for anything, and none with a minus?"""
    chosen = [word for word in words.split() if not word.startswith("-")]
    left_out = [word[1:] for word in words.split() if word.startswith("-")]
    return any(fnmatch(name, word) for word in chosen) and not any(fnmatch(name, word) for word in left_out)


def excused(policy: Policy, rule: Rule, target: str, permission: str) -> bool:
    return rule.source == "domain" and any(
        among(rule.tclass, row.classes)
        and among(permission, row.permissions)
        and any(target in policy.expand(name) for name in row.targets.split())
        for row in EVERY_DOMAIN
    )


def breaches(policy: Policy, row: Never, source: str, mail: bool) -> list[str]:
    """What the policy allows of it, by which rule."""
    targets = policy.select(row.targets)
    off = dict.fromkeys(NOT_OURS, False)
    found = []
    for rule in policy.rules_of(source):
        bad = {word for word in rule.permissions if among(rule.tclass, row.classes) and among(word, row.permissions)}
        if not bad or not policy.ever(rule, crane_keepalived_send_mail=mail, **off):
            continue
        hit = {(target, word) for target in policy.expand(rule.target) & targets for word in bad}
        if hit := {one for one in hit if not excused(policy, rule, *one)}:
            found.append(f"{rule}: {sorted(hit)[:5]}")
    return found


@pytest.mark.parametrize("row", NEVER + NEVER_FENCE, ids=lambda row: row.sentence)
def test_never(linked: Linked, row: Never) -> None:
    found = []
    for source in row.sources.split():
        for mail in row.mail:
            found += breaches(linked.after, row, source, mail)
    assert not found, "\n".join(found)
