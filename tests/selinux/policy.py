"""Answers questions about a linked policy: its statements in CIL, as `checkpolicy -b -C` decompiles them."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

# one statement of the kernel's policy, a line each
RULE = re.compile(r"\((allow|dontaudit) (\S+) (\S+) \((\S+) \(([^()]*)\)\)\)")
ATTRIBUTE = re.compile(r"\(typeattributeset (\S+) \(([^()]*)\)\)")
NAMED = re.compile(r"\((type|boolean) (\S+)(?: (true|false))?\)")
WORD = re.compile(r"\w+")
OPERATORS = frozenset({"and", "or", "xor", "not", "eq", "neq"})


@dataclass(frozen=True)
class Rule:
    """An allow or dontaudit rule, as the policy has it: source and target are types, attributes or self."""

    kind: str
    source: str
    target: str
    tclass: str
    permissions: frozenset[str]
    # the booleans under which it holds, a CIL expression; "": always
    when: str = ""

    def __str__(self) -> str:
        words = " ".join(sorted(self.permissions))
        return f"{self.kind} {self.source} {self.target}:{self.tclass} {{ {words} }};" + (
            f" [{self.when}]" if self.when else ""
        )


def _holds(when: str, settings: Mapping[str, bool]) -> bool:
    """The truth of a condition in CIL: a name, or (operator operand...)."""
    tokens = iter(re.findall(r"[()]|\w+", when))

    def value(token: str) -> bool:
        if token != "(":
            return settings[token]
        operator = next(tokens)
        operands: list[bool] = [value(operand) for operand in iter(tokens.__next__, ")")]
        if operator == "not":
            return not operands[0]
        if operator in ("and", "or"):
            return all(operands) if operator == "and" else any(operands)
        equal = operands[0] is operands[1]
        return equal if operator == "eq" else not equal

    return value(next(tokens))


class Policy:
    """A linked policy."""

    def __init__(self, cil: str) -> None:
        self.types: set[str] = set()
        self.booleans: dict[str, bool] = {}
        self.attributes: dict[str, frozenset[str]] = {}
        # every other statement; before one that has a condition, "when CONDITION: "
        self.statements: set[str] = set()
        self._rules: dict[str, list[Rule]] = defaultdict(list)
        condition = branch = ""
        for line in map(str.strip, cil.splitlines()):
            if line.startswith("(booleanif "):
                condition = line[len("(booleanif ") :]
            elif line in ("(true", "(false"):
                branch = condition if line == "(true" else f"(not {condition})"
            elif line == ")":
                # the end of a branch, or of the whole
                condition, branch = (condition if branch else ""), ""
            else:
                self._add(line, branch)

    def _add(self, line: str, when: str) -> None:
        if found := RULE.fullmatch(line):
            kind, source, target, tclass, permissions = found.groups()
            self._rules[source].append(Rule(kind, source, target, tclass, frozenset(permissions.split()), when))
        elif found := ATTRIBUTE.fullmatch(line):
            self.attributes[found[1]] = frozenset(found[2].split())
            return
        elif found := NAMED.fullmatch(line):
            if found[1] == "type":
                self.types.add(found[2])
            else:
                self.booleans[found[2]] = found[3] == "true"
        self.statements.add(f"when {when}: {line}" if when else line)

    def expand(self, name: str) -> frozenset[str]:
        """The types that a type or attribute stands for."""
        return self.attributes.get(name, frozenset({name}))

    def select(self, names: str) -> frozenset[str]:
        """The types behind "NAME NAME -NAME ...": types and attributes, * for every type; less those with a minus.

        Names that this policy does not know are passed over, but one must be known.
        """
        chosen: set[str] = set()
        known = False
        for word in names.split():
            name = word.lstrip("-")
            found = self.types if name == "*" else self.expand(name) & self.types
            known = known or (bool(found) and not word.startswith("-"))
            chosen = chosen - found if word.startswith("-") else chosen | found
        assert known, f"this policy has no {names}"
        return frozenset(chosen)

    def rules(self) -> Iterator[Rule]:
        for rules in self._rules.values():
            yield from rules

    def rules_of(self, domain: str, kind: str = "allow") -> Iterator[Rule]:
        """What the policy says of a domain, by its name and by those of its attributes; self is the domain."""
        for source in (domain, *(name for name, types in self.attributes.items() if domain in types)):
            for rule in self._rules.get(source, ()):
                if rule.kind == kind:
                    yield replace(rule, target=domain) if rule.target == "self" else rule

    def now(self, rule: Rule, **ours: bool) -> bool:
        """Does the rule hold as the booleans stand, but for those named here?"""
        return not rule.when or _holds(rule.when, {**self.booleans, **ours})

    def ever(self, rule: Rule, **fixed: bool) -> bool:
        """May it hold, whichever way an administrator sets the booleans that are not named here?"""
        if not rule.when:
            return True
        free = sorted(set(WORD.findall(rule.when)) - OPERATORS - set(fixed))
        settings = itertools.product((False, True), repeat=len(free))
        return any(_holds(rule.when, {**fixed, **dict(zip(free, values))}) for values in settings)

    def allowed(self, source: str, target: str, tclass: str, **ours: bool) -> frozenset[str]:
        """The permissions that a domain has, as the booleans stand, but for those named here."""
        return self._permissions("allow", source, target, tclass, **ours)

    def dontaudited(self, source: str, target: str, tclass: str) -> frozenset[str]:
        return self._permissions("dontaudit", source, target, tclass)

    def _permissions(self, kind: str, source: str, target: str, tclass: str, **ours: bool) -> frozenset[str]:
        found: set[str] = set()
        for rule in self.rules_of(source, kind):
            if rule.tclass == tclass and target in self.expand(rule.target) and self.now(rule, **ours):
                found |= rule.permissions
        return frozenset(found)
