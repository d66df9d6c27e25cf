"""What the report's pages are built of: templates, scripts, vendored libraries, packed data, and a policy."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup, escape

LIBRARIES = ("d3.min.js", "plot.umd.min.js")


def environment() -> jinja2.Environment:
    """Where templates of pages come from; all text is escaped."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("algoperf_scoring.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["breakable"] = _breakable
    made.filters["code"] = _code
    return made


def page_parts(scripts: Sequence[str], content: Mapping[str, Any]) -> dict[str, Any]:
    """What every page's template needs: style, libraries, own scripts by name, policy, and packed data."""
    libraries = [_script(_library(name)) for name in LIBRARIES]
    own = _script("\n".join(read("js", f"{name}.js") for name in scripts))
    return {
        "style": Markup(read("style.css")),
        "policy": _policy([*libraries, own]),
        "libraries": libraries,
        "script": own,
        "payload": Markup(packed(content)),
    }


def packed(content: Mapping[str, Any]) -> str:
    """JSON as base64 of gzip: small, reproducible, and without characters that are special in HTML."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def read(*parts: str) -> str:
    """The text of a file of this package."""
    return resources.files("algoperf_scoring.report").joinpath(*parts).read_text(encoding="utf-8")


def _library(name: str) -> str:
    """A vendored file, with its licence text as required."""
    licence = read("vendor", f"{name.partition('.')[0]}.LICENSE")
    return f"/*\n{licence}*/\n{read('vendor', name)}"


def _breakable(name: str) -> Markup:
    """A name with line breaks allowed after underscores."""
    return Markup("_<wbr>").join(name.split("_"))


def _code(text: str) -> Markup:
    """Text whose parts in backticks are code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _script(code: str) -> Markup:
    """Code for a script element, unescaped."""
    for word in ("</script", "<!--"):
        assert word not in code.lower(), "would end or change the script element"
    return Markup(code)


def _policy(scripts: list[Markup]) -> str:
    """A content security policy that only runs these scripts, no scripts injected by data, and loads nothing."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
