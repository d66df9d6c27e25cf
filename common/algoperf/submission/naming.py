"""The names under which runs are filed."""

from __future__ import annotations

from algoperf.errors import UserError

REPORT_FOLDER = "report"
"""The folder among runs that scoring writes to."""


def name_flaw(name: str) -> str:
    """Why no runs can be filed under a name; "" if they can."""
    if not name.isprintable():  # bytes that are no UTF-8 are not printable either
        return "its name has characters that are not UTF-8 or cannot be shown"
    if name.startswith("."):
        return "its name begins with a dot, so it is hidden"
    if name == REPORT_FOLDER:
        return f"the name {REPORT_FOLDER!r} is for the reports of scoring"
    return ""


def require_name(name: str) -> str:
    """The name itself. Raises UserError if no runs can be filed under it."""
    if flaw := name_flaw(name):
        raise UserError(f"A submission cannot be called {name!r}: {flaw}. Rename its folder, or its .py file.")
    return name
