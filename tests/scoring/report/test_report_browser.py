"""The report in a real browser, opened from a file. The fixture `opened` fails a test if the browser complains."""

from __future__ import annotations

import csv
import dataclasses
import io
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page

import algoperf_scoring
from algoperf.versions import load_version
from algoperf_scoring import DOCUMENTED, Leaderboard, rank
from algoperf_scoring.report import write_report


def _column(page: Page, table: str, name: str) -> list[str]:
    """A column of a table, by the name of its file and the text of its header."""
    return page.evaluate(
        """([table, name]) => {
          const found = document.querySelector(`table[data-csv="${table}"]`);
          const at = [...found.tHead.rows[0].cells].findIndex((cell) => cell.textContent === name);
          return [...found.tBodies[0].rows].map((row) => row.cells[at].dataset.value ?? row.cells[at].textContent);
        }""",
        [table, name],
    )


def _scores(page: Page) -> dict[str, float]:
    names, scores = _column(page, "leaderboard", "submission"), _column(page, "leaderboard", "score")
    return dict(zip(names, map(float, scores), strict=True))


def test_the_leaderboard_is_that_of_python(opened, file: Path, board: Leaderboard):
    page = opened(file).page
    assert _scores(page) == pytest.approx({entry.submission: entry.score for entry in board.entries}, abs=1e-12)
    assert _column(page, "leaderboard", "rank") == [str(rank) for rank in board.ranks()]
    assert page.locator("#notice").count() == 0


HEADLINES = {
    # Seconds of the studies of a and b: what the headline says, and whether the summary of neighbours says the same.
    ((10, 11, 12), (30, 31, 32)): "a has the highest score, {}. Nothing here is beyond chance: that takes at least 5",
    (
        (10, 11, 12, 13, 14),
        (30, 31, 32, 33, 34),
    ): "a has the highest score, {}. Its lead over all others is beyond chance.",
    ((10, 12, 14, 16, 18), (10.1, 12.1, 14.1, 16.1, 18.1)): "a and b are tied, with {} and",
}


@pytest.mark.parametrize("times", HEADLINES)
def test_the_headline_says_what_the_leaderboard_says(opened, runs, tmp_path: Path, times):
    for name, seconds in zip("ab", times, strict=True):
        for study, second in enumerate(seconds):
            runs.reaching(name, "wmt", second, study=study)
    board = algoperf_scoring.score(runs.root, load_version(), "external", workloads=["wmt"])
    write_report(board, tmp_path / "report.html")
    page = opened(tmp_path / "report.html").page
    before, _, after = HEADLINES[times].partition("{}")
    headline = page.locator("#verdict .headline").inner_text()
    assert headline.startswith(before)
    assert after in headline
    (pair,) = board.neighbours
    summary = page.locator("#certainty summary").first.inner_text()
    assert pair.is_separated == ("beyond chance" in summary and "Nothing" not in summary)
    assert pair.is_tie == ("are tied" in headline)
    assert ("may be chance" in headline) == (pair.is_tie)


def test_workloads_that_are_not_scored_are_said_to_have_no_verdict(opened, runs, tmp_path: Path):
    for name, seconds in {"a": 10, "b": 10.1}.items():  # elsewhere a tie
        for study in range(3):
            runs.reaching(name, "digits", seconds + study, study=study)
    write_report(algoperf_scoring.score(runs.root, load_version(), "self"), tmp_path / "report.html")
    page = opened(tmp_path / "report.html").page
    headline = page.locator("#verdict .headline").inner_text()
    assert "digits is not a scored workload, so no verdict is given; its times can be compared." in headline
    assert headline.startswith("a has the highest score, 1.000 ")
    assert "tied" not in headline
    summary = page.locator("#certainty summary").first.inner_text()
    assert summary == "No verdict, as digits is not a scored workload: the pairs of neighbours"
    table = page.locator("#certainty table").first
    assert table.locator("tbody tr").first.locator("td").last.text_content() == "no verdict"


def test_unfinished_runs_are_shown_in_the_live_page(opened, runs, tmp_path: Path):
    status = {"status": "interrupted", "finished": False, "seconds": {"submission": 41.2}, "budget_sec": 135}
    runs.missing("good", "digits", status=status)
    write_report(algoperf_scoring.score(runs.root, load_version(), "self"), tmp_path / "alone.html")
    alone = opened(tmp_path / "alone.html").page.locator("#leaderboard").inner_text()
    assert "No run has a result yet." in alone
    assert "good: digits study 0, trial 1 is interrupted, 41 of 135 s" in alone
    runs.missing("fast", "mnist", status=status)
    runs.reaching("fast", "digits", 5)
    board = algoperf_scoring.score(runs.root, load_version(), "self")
    write_report(board, tmp_path / "report.html")
    page = opened(tmp_path / "report.html").page
    headline = page.locator("#verdict .headline").inner_text()
    assert headline.endswith("Preliminary: trials of fast are unfinished.")
    row = page.locator("table[data-csv=leaderboard] tbody tr")
    assert row.locator("small.open").all_text_contents() == ["1 unfinished"]
    shown = page.locator("#leaderboard").inner_text()
    assert "Without a result, and so without a rank: good" in shown
    assert "good: digits study 0, trial 1 is interrupted, 41 of 135 s" in shown
    assert "unfinished" in page.locator('table[data-csv="times"]').inner_text()


def test_every_choice_of_the_rule_changes_scores_or_table_and_is_kept_in_the_address(opened, file: Path):
    report = opened(file)
    page = report.page
    start = _scores(page)

    def move(selector: str, value: str) -> None:
        page.eval_on_selector(
            selector, "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
        )

    changes = {
        "max_ratio=2": lambda: move("#max_ratio", "2"),
        "relax=0.2": lambda: move("#relaxation", "20"),
        "integral=trapezoid": lambda: page.select_option("#integral", "trapezoid"),
        "trial=index": lambda: page.select_option("#best_trial", "index"),
        "hide=alpha": lambda: page.uncheck("#submissions-1"),
        "drop=wmt": lambda: page.uncheck("label:has-text('wmt') input"),
    }
    for words, change in changes.items():
        change()
        report.settle()
        assert page.locator(".changed").count() == 1, words
        after = _scores(page)
        if words not in ("trial=index", "integral=trapezoid"):  # these may well give the same
            assert after != start, words
        report.until(f"location.hash.includes('{words.partition('=')[0]}=')")
        report.go(page.evaluate("location.hash"))
        assert _scores(page) == after, words
        page.click("#reset")
        report.settle()
        assert _scores(page) == start, words


def test_relaxed_targets_and_held_out_rule_change_real_scores_as_in_python(
    opened, real_file: Path, real_ruleset: str, archive
):
    report = opened(real_file)
    page = report.page
    for change, rule in (
        (lambda: page.uncheck("#held_out"), dataclasses.replace(DOCUMENTED, held_out=False)),
        (lambda: page.select_option("#best_trial", "index"), dataclasses.replace(DOCUMENTED, best_trial="index")),
    ):
        change()
        report.settle()
        expected = {entry.submission: entry.score for entry in rank(archive(real_ruleset), rule).entries}
        assert _scores(page) == pytest.approx(expected, abs=1e-12)
        page.click("#reset")
    assert page.locator("figure svg").count() == 6


def test_choices_of_what_is_shown_change_it_and_are_kept(opened, file: Path):
    report = opened(file)
    page = report.page
    label = page.locator("#curves-body figure svg").first
    page.select_option("#detail", label="ogbg")
    page.select_option("#axis", "step")
    page.check("#log")
    page.check("#single")
    page.check("#whole")
    page.select_option("#theme", "dark")
    report.settle()
    assert "on ogbg over steps" in (label.get_attribute("aria-label") or "")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 27)"
    assert "One line per study" in page.inner_text("#curves-body")
    report.until("location.hash.includes('theme=dark')")
    report.go(page.evaluate("location.hash"))
    assert page.input_value("#axis") == "step"
    assert all(page.is_checked(f"#{name}") for name in ("log", "single", "whole"))
    page.click("button[aria-label='Next workload']")
    report.settle()
    assert "on ogbg" not in (label.get_attribute("aria-label") or "")


def test_an_address_that_makes_no_sense_does_no_harm(opened, file: Path):
    report = opened(file)
    start = _scores(report.page)
    report.go("#max_ratio=1e9&relax=x&trial=%3Cimg%3E&workload=none&hide=nobody&x=y&tau=-1&theme=pink")
    assert _scores(report.page) == start


def test_nothing_chosen_says_so(opened, file: Path):
    report = opened(file)
    report.page.click("button[aria-label='None submissions']")
    assert "Choose at least one" in report.page.inner_text("#verdict")
    assert not report.page.is_visible("#ranking")
    report.page.click("button[aria-label='All submissions']")
    report.settle()
    assert report.page.is_visible("#ranking")


def test_tau_moves_by_keyboard_and_by_dragging(opened, file: Path):
    report = opened(file)
    page = report.page
    page.focus("#tau")
    before = page.get_attribute(".tau", "x1")
    page.keyboard.press("End")
    assert page.input_value("#tau") == "4"
    assert "within 4.00 times" in page.inner_text(".tau-table")
    assert page.get_attribute(".tau", "x1") != before
    shares = dict(zip(_column(page, "profile", "submission"), _column(page, "profile", "workloads"), strict=True))
    assert set(shares.values()) <= {"0", "1", "2", "3", "4", "5", "6", "7", "8"}
    page.locator("#profiles figure svg").scroll_into_view_if_needed()
    box = page.locator("#profiles figure svg").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 100)
    page.mouse.up()
    tau = float(page.input_value("#tau"))
    assert 1 < tau < 4
    report.until(f"location.hash.includes('tau={tau:g}')")


def test_tab_reaches_every_control_and_shows_where_it_is(opened, file: Path):
    page = opened(file).page
    page.evaluate(
        """() => {
          const every = "a[href], button:not([tabindex='-1']), input, select, summary, [tabindex='0']";
          globalThis.reachable = () =>
            [...document.querySelectorAll(every)].filter((e) => e.checkVisibility() && !e.disabled && !e.dataset.seen);
        }"""
    )
    for _ in range(page.evaluate("reachable().length") + 5):
        page.keyboard.press("Tab")
        page.evaluate("if (document.activeElement !== document.body) document.activeElement.dataset.seen = 1")
    missed = page.evaluate("reachable().map((element) => element.outerHTML.slice(0, 90))")
    assert missed == []
    page.focus("#theme")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("input, select")]
          .filter((e) => !e.labels.length && !e.ariaLabel).map((e) => e.outerHTML.slice(0, 90))"""
    )
    assert unnamed == []


def test_focus_stays_where_it_is_when_the_view_changes(opened, file: Path):
    report = opened(file)
    report.page.click("table[data-csv='leaderboard'] th button:has-text('submission')")
    report.page.focus("#max_ratio")
    report.page.keyboard.press("ArrowRight")
    report.settle()
    assert report.page.evaluate("document.activeElement.id") == "max_ratio"
    header = report.page.locator("table[data-csv='leaderboard'] th[aria-sort]")
    assert header.get_attribute("aria-sort") == "ascending"
    titles = report.page.locator("table[data-csv='leaderboard'] .who").all_inner_texts()
    assert titles[-1] == "beta"
    assert all(title.startswith("<") for title in titles[:-1])


def test_every_table_downloads_with_its_numbers(opened, file: Path, board: Leaderboard):
    page = opened(file).page
    with page.expect_download() as download:
        page.click("button[data-key='csv-leaderboard']")
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert download.value.suggested_filename == "leaderboard.csv"
    by_name = {row["submission"]: row for row in rows}
    for entry in board.entries:
        row = by_name[entry.submission]
        assert float(row["score"]) == pytest.approx(entry.score, abs=1e-12)
        assert entry.interval is not None
        assert float(row["interval_low"]) == pytest.approx(entry.interval[0], abs=1e-12)
        assert float(row["interval_high"]) == pytest.approx(entry.interval[1], abs=1e-12)
    tables = page.evaluate("[...document.querySelectorAll('table')].map((table) => table.dataset.csv)")
    buttons = page.evaluate("[...document.querySelectorAll('button.csv')].map((one) => one.dataset.key)")
    assert sorted(f"csv-{name}" for name in tables) == sorted(buttons)
    assert len(set(tables)) == len(tables)


def test_csv_quotes_what_needs_it(opened, file: Path):
    page = opened(file).page
    found = page.evaluate("""['a,b', 'a"b', '-1.5', '=1+1', 'plain'].map((value) => csv.field(value))""")
    assert found == ['"a,b"', '"a""b"', "-1.5", "'=1+1", "plain"]


def test_without_scripts_it_says_so_and_still_shows_the_leaderboard(opened, file: Path, board: Leaderboard):
    page = opened(file, java_script_enabled=False).page
    assert page.is_visible("#notice")
    assert page.is_visible("#ranking table")
    assert not page.is_visible("#controls")
    assert page.locator("#ranking tbody tr").count() == len(board.entries)


def test_one_submission_with_one_study_has_a_report_too(opened, runs, tmp_path: Path):
    runs.reaching("alone", "digits", 3, status={"ruleset": "self"})
    write_report(algoperf_scoring.score(runs.root, runs.version), tmp_path / "alone.html")
    page = opened(tmp_path / "alone.html").page
    assert "alone alone scores 1.000" in page.inner_text("#verdict")
    assert "only one study" in page.inner_text("#verdict")
    assert page.locator("#certainty details").count() == 0


def test_self_tuning_has_no_hyperparameters_and_titles_stand_for_folders(opened, runs, tmp_path: Path):
    for name in ("a_folder", "b"):
        runs.reaching(name, "digits", 3, status={"ruleset": "self"})
    (runs.root / "a_folder" / "submission_info.yml").write_text(
        "submission_name: A Title\nauthors: Ada\naffiliations: Somewhere\ncode: https://example.org/code\n"
    )
    write_report(algoperf_scoring.score(runs.root, runs.version), runs.root / "report" / "report.html")
    page = opened(runs.root / "report" / "report.html").page
    page.click("summary:has-text('Winning trials')")
    assert page.locator("#trials-body").inner_text().count("none (self-tuning)") == 2
    row = page.locator("table[data-csv='leaderboard'] tbody tr").first
    assert "Ada \u00b7 Somewhere" in row.inner_text()
    assert [link.get_attribute("href") for link in row.locator("a").all()] == [
        "https://example.org/code",
        "../a_folder",
    ]
    assert row.locator(".who").get_attribute("title") == "a_folder"
    page.evaluate("document.querySelectorAll('main details').forEach((details) => { details.open = true; })")
    assert page.inner_text("body").count("a_folder") == 1, "below the title in the leaderboard, and nowhere else"


def test_a_page_that_was_sent_has_no_dead_links_to_logs(opened, runs, tmp_path: Path):
    runs.reaching("mine", "digits", 3, status={"ruleset": "self"})
    beside = runs.root / "report" / "report.html"
    write_report(algoperf_scoring.score(runs.root, runs.version), beside)
    links = "table[data-csv='leaderboard'] tbody a"
    assert opened(beside).page.locator(links).get_attribute("href") == "../mine"
    sent = tmp_path / "Downloads" / "report.html"
    sent.parent.mkdir()
    shutil.copy(beside, sent)
    page = opened(sent).page
    assert page.locator(links).count() == 0
    assert "--logs URL" in page.inner_text("#data")
