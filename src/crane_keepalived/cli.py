"""The two commands: what they print when they fail, and with what they end."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, Optional

from . import __version__
from .errors import Findings, HaError, InputError

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


def setup_main(arguments: Optional[Sequence[str]] = None) -> int:
    """crane-ha-setup: 0 done, 1 failed, 2 what the user wrote cannot be used."""
    findings = Findings()

    def work() -> int:
        # here, so that crane-ha need not wait for the templates' engine
        from . import options, remove, setup  # noqa: PLC0415

        asked = options.parse(sys.argv[1:] if arguments is None else arguments)
        if asked.remove:
            remove.remove(asked)
        else:
            setup.setup(asked, findings)
        return 0

    return _guard("crane-ha-setup", work, findings)


def ha_main(arguments: Optional[Sequence[str]] = None) -> int:
    """crane-ha: the verb's own exit code, 2 for wrong usage."""

    def work() -> int:
        from . import options, status  # noqa: PLC0415

        parser = options.Parser(prog="crane-ha", description="Look at this node of the pair.", allow_abbrev=False)
        parser.add_argument("--version", action="version", version=f"crane-keepalived {__version__}")
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        verb = verbs.add_parser("status", help="one screen: 0 all is well, 1 something is not, 3 not set up")
        verb.add_argument("--root", default="/", help=argparse.SUPPRESS)
        screen, code = status.report(Path(parser.parse_args(arguments).root))
        print(screen)
        return code

    return _guard("crane-ha", work, Findings())


def _guard(program: str, work: Callable[[], int], findings: Findings) -> int:
    """Run a command; what goes wrong becomes a line each and an exit code, never a traceback."""

    def say(kind: str, text: object) -> None:
        # what was said before comes before it, also where both go into one file
        sys.stdout.flush()
        print(f"{program}: {kind}: {' '.join(str(text).split())}", file=sys.stderr)

    os.umask(0o022)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a keepalived.conf that was here may hold what the terminal's encoding does not know
        sys.stdout.reconfigure(errors="backslashreplace")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        code = work()
        sys.stdout.flush()
        return code
    except InputError as error:
        for warning in findings.warnings:
            say("warning", warning)
        for problem in error.problems:
            say("error", problem)
        return WRONG_USAGE
    except KeyboardInterrupt:
        say("error", "interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read us has seen enough; Python would complain when it flushes at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError as error:
        say("error", f"{error.filename}: {error.strerror}" if error.filename else error)
    except HaError as error:
        say("error", error)
    except Exception as error:
        if "CRANE_KEEPALIVED_DEBUG" in os.environ:
            raise
        say("error", f"{type(error).__name__}: {error}; this is a fault of crane-keepalived's, please report it")
    return FAILED


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
