"""Names of submissions in a real browser, long ones that end differently; what stands where one raised an error."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from algoperf.versions import load_version
from algoperf_scoring import DOCUMENTED, rank, read_comparison, sources
from algoperf_scoring.report import write_report
from algoperf_scoring.submission_info import SubmissionInfo

LONG = "schedule_free_adamw_with_cautious_masking_and_decoupled_weight_decay"
FAILED = {"status": "submission_error", "finished": False, "message": "ValueError: no"}


@pytest.fixture
def named(runs, tmp_path: Path) -> Path:
    """A report of two variants with long names, one that raised an error in 2 of 3 studies, and one with a title."""
    for study in range(3):
        for number, name in enumerate((f"{LONG}_v1", f"{LONG}_v2", "titled", "raises")):
            if name == "raises" and study < 2:
                runs.trial(name, "ogbg", None if study else [(5, 0.1), (9, 0.1)], study=study, status=FAILED)
            else:
                runs.reaching(name, "ogbg", 5000 + 100 * study + 900 * number, study=study)
            runs.reaching(name, "wmt", 20000 + 100 * study + 900 * number, study=study)
    comparison = read_comparison(sources(runs.root), load_version(), "self", workloads=["ogbg", "wmt"])
    infos = {"titled": SubmissionInfo(name="A Title", authors="Ada")}
    file = tmp_path / "named.html"
    write_report(rank(comparison, DOCUMENTED, None, infos), file)
    return file


@pytest.mark.parametrize("width", [390, 800, 1400])
def test_long_names_fit_and_can_be_told_apart(opened, named: Path, width: int):
    page = opened(named, width=width).page
    for body in ("#times-body", "#sensitivity-body"):
        found = page.evaluate(
            """(body) => [...document.querySelectorAll(`${body} [aria-label="y-axis tick label"] text`)].map((text) => {
              const [box, svg] = [text, text.ownerSVGElement].map((one) => one.getBoundingClientRect());
              return { words: text.textContent, top: box.top, bottom: box.bottom, room: box.left - svg.left };
            })""",
            body,
        )
        names = [one for one in found if not one["words"].replace(".", "").isdigit()]
        assert {one["words"][-2:] for one in names if one["words"].startswith("schedule")} == {"v1", "v2"}, names
        assert all(one["room"] >= -1 for one in names), "cut off on the left"
        ends = sorted((one["top"], one["bottom"]) for one in names)
        assert all(above[1] <= below[0] for above, below in itertools.pairwise(ends)), "one over another"
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "words"), [(390, "! 2 of 3"), (1400, "error 2 of 3")])
def test_an_error_is_said_beside_the_times_as_in_the_table(opened, named: Path, width: int, words: str):
    page = opened(named, width=width).page
    assert words in page.evaluate(
        "[...document.querySelectorAll('#times-body svg text')].map((one) => one.textContent)"
    )
    field = page.locator("#workloads-body td.none").first
    assert field.get_attribute("title") == "error: in 2 of 3 studies"


def test_the_folder_stands_below_a_title(opened, named: Path):
    page = opened(named).page
    below = page.locator("#ranking .title small").all_inner_texts()
    assert [text.split(" \u00b7 ") for text in below] == [["titled", "Ada"]]
