"""YAML as cranectld reads it: every scalar is its own text, and of a key written twice the first counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import yaml

from .errors import Findings


def read_mapping(path: Path, findings: Findings, missing: str) -> Optional[dict[str, Any]]:
    """A YAML file's keys: strings, lists and mappings of them. None, with the reason in the findings, if it has none.

    ``missing`` is what to do about a file that is not there.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        findings.error(path, "there is no such file", missing)
        return None
    except OSError as error:
        findings.error(path, error.strerror or str(error), "make it readable")
        return None
    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        plain = {} if root is None else _plain(root, str(path), "", findings)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}:" if mark else ""
        findings.error(
            path, f"is not YAML:{line} {error.problem or error.context}", "mend that line, or the one before it"
        )
        return None
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        findings.error(path, f"is not YAML: {error}", "write it as plain UTF-8 text")
        return None
    if not isinstance(plain, dict):
        findings.error(path, "holds no keys", "write it like `Key: value`")
        return None
    return plain


def _plain(node: yaml.Node, path: str, place: str, findings: Findings) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, path, f"{place}-.", findings) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        return str(node.value)
    plain: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name not in plain:
            plain[name], lines[name] = _plain(value, path, f"{place}{name}.", findings), line
        elif place in ("", "Keepalived."):
            findings.error(
                f"{path}: {place}{name}", f"is written in line {lines[name]} and in line {line}", "remove one"
            )
    return plain
