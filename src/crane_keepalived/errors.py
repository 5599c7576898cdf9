"""What can go wrong, said in one line each: where, what, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Problem:
    """One thing found: the key, option or path it is about, what is wrong with it, and what to do."""

    place: str
    what: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" + (f"; {self.cure}" if self.cure else "")


@dataclass
class Findings:
    """Collects what is wrong and what is doubtful, so that a person hears of everything at once."""

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def error(self, place: object, what: str, cure: str = "") -> None:
        """Note something that forbids going on."""
        problem = Problem(str(place), what, cure)
        if problem not in self.errors:
            self.errors.append(problem)

    def warn(self, place: object, what: str, cure: str = "") -> None:
        """Note something that a person should know of and may want."""
        self.warnings.append(Problem(str(place), what, cure))

    def settle(self) -> None:
        """Raise InputError when there is an error among the findings."""
        if self.errors:
            raise InputError(self.errors)


class HaError(Exception):
    """Something failed. ``str`` is one line for the person who asked, the hint included."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}; {hint}" if hint else message)


class InputError(HaError):
    """What the user wrote cannot be used: all of it in ``problems``."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} errors")
        self.problems = tuple(problems)


class BadValueError(ValueError):
    """A value that cannot be read; the caller knows which key it belongs to."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(what)
        self.what = what
        self.cure = cure


class ProgramError(HaError):
    """Another program failed, is missing, or did not end in time."""


class UnansweredError(HaError):
    """A function that may block (storage, name service) did not answer in time."""
