"""HaConfig becomes the text of each file. Pure: the same configuration gives the same bytes."""

from __future__ import annotations

from pathlib import Path

import jinja2

from .model import (
    CRANECTLD_DROP_IN,
    GATE_DROP_IN,
    KEEPALIVED_CONF,
    KEEPALIVED_DROP_IN,
    NODE_FILE,
    SETTINGS,
    TMPFILES,
    HaConfig,
    RenderedFile,
)

TEMPLATES = Path(__file__).with_name("templates")


def render(config: HaConfig, remembered: str) -> tuple[RenderedFile, ...]:
    """All files of a node. ``remembered`` is node.yaml's text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(TEMPLATES)),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  shell and keepalived, no HTML
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["sh"] = _quote

    def text(template: str) -> str:
        return environment.get_template(template).render(config=config, role=config.role)

    return (
        RenderedFile(KEEPALIVED_CONF, 0o600 if config.vrrp.auth_pass else 0o644, text("keepalived.conf.j2")),
        RenderedFile(SETTINGS, 0o644, text("settings.j2")),
        RenderedFile(NODE_FILE, 0o644, remembered),
        RenderedFile(CRANECTLD_DROP_IN, 0o644, text("cranectld.conf.j2")),
        RenderedFile(KEEPALIVED_DROP_IN, 0o644, text("keepalived-unit.conf.j2")),
        RenderedFile(GATE_DROP_IN, 0o644, text("gate-unit.conf.j2")),
        RenderedFile(TMPFILES, 0o644, text("tmpfiles.conf.j2")),
    )


def _quote(value: object) -> str:
    """Quote for sh and for Python's shlex, always, so that a reader sees where a value begins and ends."""
    return "'" + str(value).replace("'", "'\"'\"'") + "'"
