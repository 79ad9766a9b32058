"""The report as one page of HTML that needs nothing else: no network, no other file.

Takes `Report`; gives text. Guarantees: the same report gives the same bytes; whatever a name holds, it stays text; the
page may run only the scripts that are in it (their hashes stand in its policy), and reach nothing.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template

from swc.report.gather import Report, as_json

SCRIPTS = ("page.js", "sharing.js", "following.js", "charts.js", "scores.js", "sections.js", "live.js")


def page_of(report: Report, *, live: bool = False) -> str:
    """The whole page; `live` lets it ask the server that it came from for newer data."""
    scripts = (_plotly(), _own_script())
    return Template(_asset("page.html")).substitute(
        title=escape(" and ".join(run.name for run in report.runs)),
        policy=escape(_policy(scripts, live)),
        style=_asset("page.css"),
        data=embedded(as_json(report)),
        live="live" if live else "whole",
        plotly=scripts[0],
        script=scripts[1],
    )


def embedded(text: str) -> str:
    """JSON for the inside of a script element: nothing in it can end the element or begin a comment."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _policy(scripts: tuple[str, ...], live: bool) -> str:
    known = " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in scripts)
    asks = "'self'" if live else "'none'"
    return (
        f"default-src 'none'; script-src {known}; style-src 'unsafe-inline'; img-src data: blob:; "
        f"connect-src {asks}; base-uri 'none'; form-action 'none'"
    )


def _own_script() -> str:
    parts = "\n".join(_asset(name) for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\nbegin();\n}})();\n'


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("\r\n", "\n")  # as a browser reads it, so that the hash is that of the policy


def _asset(name: str) -> str:
    return (files("swc.report") / "page" / name).read_text("utf-8")
