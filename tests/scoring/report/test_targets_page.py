"""The page of `algoperf targets`: complete without scripts, and with curves in a real browser."""

from __future__ import annotations

import html

import pytest

from algoperf_scoring.report.targets_page import render, write_page

EVIL = "</script><img src=x onerror=alert(1)>&'\""
SENTENCES = ["Points tried: two.", EVIL]


def run(name, submission, values, status="max_steps_reached"):
    finite = [value for value in values if value is not None]
    return {
        "run": name, "submission": submission, "seed": 1, "point": {"learning_rate": 0.25, "kind": EVIL},
        "status": status, "best": max(finite, default=None), "steps": list(range(1, len(values) + 1)),
        "validation": values, "test": values,
    }  # fmt: skip


FOUND = {
    "workload": "digits", "scale": "mini", "framework": "jax", "metric": "accuracy", "goal": "max", "steps": 3,
    "eval_every_steps": 1, "chosen": "b/2",
    "targets": {"validation": 0.8, "test": None, "reached": 1, "ease": 0.1,
                "start": {"seed": 0, "validation": 0.0, "test": None},
                "eased": {"validation_target": 0.72, "test_target": None}},
    "present": {"validation_target": 0.75, "test_target": None},
    "search": [run("a/1", EVIL, [0.1, None, None], "nan"), run("a/2", EVIL, [], "pruned"),
               run("b/1", "b", [0.2, 0.3, 0.4]), run("b/2", "b", [0.5, 0.6, 0.9])],
    "repeats": [run("b/s1", "b", [0.5, 0.6, 0.7]), run("b/s2", "b", [0.5, 0.8, 0.9])],
}  # fmt: skip


def test_the_page_says_everything_without_scripts():
    text = html.unescape(render(FOUND, SENTENCES))
    words = ("Targets of digits at scale mini", "0.8", "0.72", "0.75", "max steps reached", "pruned", "b/2", *SENTENCES)
    assert [word for word in words if word not in text] == []
    assert EVIL not in render(FOUND, SENTENCES), "text of others is escaped"
    assert render(FOUND, SENTENCES) == render(FOUND, SENTENCES)


@pytest.mark.parametrize("width", [360, 1280])
def test_curves_are_drawn_in_a_browser(tmp_path, opened, width):
    page = opened(write_page(FOUND, SENTENCES, tmp_path / "targets.html"), width=width).page
    assert page.locator("#notice").count() == 0
    assert page.locator("#search .legend li").all_text_contents() == [EVIL, "b"]
    assert page.locator("#search svg[role=img] path.series, #search svg[role=img] .series path").count() == 3
    assert page.locator("#repeats svg[role=img] .series path").count() == 2
    lines = page.locator("#search svg[role=img] .series")
    widths = lines.evaluate_all("all => all.map((line) => line.getAttribute('stroke-width'))")
    assert widths.count("3.5") == 1, "the chosen run stands out"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing is cut off"
    assert "target 0.8" in page.locator("#search svg[role=img]").text_content()
