"""The page that `algoperf targets` writes: which points were tried, which was chosen, and what its repeats gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algoperf_scoring.files import write_whole
from algoperf_scoring.report import parts

SCRIPTS = ("dom", "packed", "format", "series", "who", "sideways", "figure", "targets")
"""The page's scripts in order of dependency; each defines one name."""

_DIGITS = 6


def write_page(found: Mapping[str, Any], sentences: Sequence[str], file: Path) -> Path:
    """Write the page atomically, and return its path. Raises UserError if the file cannot be written.

    Args:
      found: the content of targets.json.
      sentences: where the targets come from.
      file: the file to write.
    """
    write_whole(file, render(found, sentences))
    return file


def render(found: Mapping[str, Any], sentences: Sequence[str]) -> str:
    """The page as the text of an HTML file; the same for the same content."""
    names = list(dict.fromkeys(run["submission"] for run in found["search"]))
    content = {
        **{key: found[key] for key in ("metric", "goal", "targets", "chosen", "search", "repeats")},
        "submissions": [{"name": name} for name in names],
    }
    return (
        parts.environment()
        .get_template("targets.html.j2")
        .render(
            found=found,
            title=f"Targets of {found['workload']} at scale {found['scale']}",
            facts=_facts(found),
            sentences=sentences,
            choices=[_choice(found, name) for name in names],
            repeats=[_row(run) for run in found["repeats"]],
            searched=[_row(run) for run in found["search"]],
            **parts.page_parts(SCRIPTS, content),
        )
    )


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    targets, present = found["targets"], found["present"]
    pairs = [("validation_target", "Validation target", "validation"), ("test_target", "Test target", "test")]
    return [
        *((title, _text(targets[key])) for _, title, key in pairs),
        *((f"{title}, made easier by {targets['ease']:g}", _text(targets["eased"][name]))
          for name, title, _ in pairs if targets["ease"]),
        *((f"{title} before", _text(present[name])) for name, title, _ in pairs),
        ("Metric", f"{found['metric']} ({found['goal']})"),
        ("Steps", f"{found['steps']:,}, an evaluation every {found['eval_every_steps']:,}"),
        ("Trained in", str(found["framework"])),
    ]  # fmt: skip


def _choice(found: Mapping[str, Any], name: str) -> list[str]:
    """A row per algorithm: its name, points tried, and its best run with its point."""
    own = [run for run in found["search"] if run["submission"] == name]
    values = [run for run in own if run["best"] is not None]
    if not values:
        return [name, str(len(own)), "none", "", ""]
    best = (max if found["goal"] == "max" else min)(values, key=lambda run: run["best"])
    return [name, str(len(own)), *_row(best)[1:3], _point(best)]


def _row(run: Mapping[str, Any]) -> list[str]:
    return [run["run"], _text(run["best"]), run["status"].replace("_", " "), _point(run)]


def _point(run: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_text(value)}" for name, value in run["point"].items())


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)
