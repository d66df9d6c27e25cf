"""How the report looks in a real browser: at any width, light and dark, printed; and its charts.

The fixture `opened` fails a test if the browser complains.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import algoperf_scoring
from algoperf_scoring.report import write_report

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
OVERLAPS = (Path(__file__).parent / "overlaps.js").read_text()
WIDTHS = (360, 768, 1280)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_its_window(opened, real_file: Path, width: int):
    report = opened(real_file, width=width, height=800)
    report.page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert report.page.evaluate("document.documentElement.scrollWidth") <= width
    report.page.set_viewport_size({"width": width - 20, "height": 800})
    report.until(f"document.documentElement.scrollWidth <= {width - 20}")
    report.settle()
    assert report.page.evaluate("document.documentElement.scrollWidth") <= width - 20


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough(opened, real_file: Path, scheme: str):
    report = opened(real_file, color_scheme=scheme)
    report.page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert report.page.evaluate(CONTRAST) == {"text": {}, "graphics": {}}


def test_it_prints(opened, real_file: Path):
    report = opened(real_file, color_scheme="dark")
    report.page.emulate_media(media="print")
    assert not report.page.is_visible("#controls")
    clipped = report.page.evaluate(
        "[...document.querySelectorAll('.box')].filter((box) => getComputedStyle(box).overflowX !== 'visible').length"
    )
    assert clipped == 0
    assert report.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    printed = report.page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert 5 < printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") < 40


def test_on_paper_no_table_and_no_chart_is_cut_off(opened, real_file: Path):
    page = opened(real_file, width=703).page  # of A4 without its margins, at 96 pixels per inch
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#trials-body table").is_visible(), "what is folded on the screen"
    cut = page.evaluate(
        """[...document.querySelectorAll("main table, figure > svg")]
          .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > window.innerWidth)
          .map((one) => one.dataset.csv ?? one.ariaLabel)"""
    )
    assert cut == []
    assert not page.is_visible("#curves-choice")
    assert page.is_visible("#detail"), "whose times these are"


def test_changes_are_quick(opened, real_file: Path):
    """In processor time. The limit is far above what a change takes, about 60 ms: it is for mistakes, not timings."""
    page = opened(real_file).page
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def script_seconds() -> float:
        metrics = tools.send("Performance.getMetrics")["metrics"]
        return next(each["value"] for each in metrics if each["name"] == "ScriptDuration")

    taken = []
    for value in (2, 3, 5, 8, 4):
        start = script_seconds()
        page.evaluate(
            """(value) => {
              const input = document.getElementById("max_ratio");
              input.value = value;
              input.dispatchEvent(new Event("input"));
            }""",
            value,
        )
        taken.append(script_seconds() - start)
        page.evaluate("report.settled")
    assert 0 < sorted(taken)[2] < 0.6


def test_legends_bring_out_one_submission_by_arrow_keys(opened, file: Path):
    page = opened(file).page
    page.focus("#profiles .legend button")
    page.keyboard.press("ArrowRight")
    assert page.locator("#profiles figure.has-highlight").count() == 1
    focused = page.evaluate("document.activeElement.dataset.key").removeprefix("legend-")
    brought_out = page.locator("#profiles figure .is-highlighted")
    assert brought_out.count() == page.locator(f"#profiles .series-of-{focused}").count() > 0


@pytest.mark.parametrize("way", ["mouse", "keyboard", "touch"])
def test_a_pressed_entry_of_a_legend_stays_out_in_all_charts_until_it_is_pressed_again(opened, file: Path, way: str):
    report = opened(file, has_touch=True)
    page = report.page
    entry = page.locator("#profiles .legend button").nth(1)

    def press() -> None:
        if way == "keyboard":
            page.keyboard.press("Enter")
        else:
            (entry.tap if way == "touch" else entry.click)()

    entry.focus()
    press()
    position = entry.get_attribute("data-position")
    page.locator("h1").click()
    page.select_option("#detail", label="ogbg")  # what is drawn anew shows it, too
    report.settle()
    brought_out = page.locator("#curves-body figure.has-highlight .is-highlighted")
    assert brought_out.count() == page.locator(f"#curves-body .series-of-{position}").count() > 0
    pressed = page.locator(".legend button[aria-pressed=true]")
    assert {one.get_attribute("data-position") for one in pressed.all()} == {position}
    assert pressed.count() == page.locator(f".legend [data-key=legend-{position}]").count() > 2
    entry = page.locator("#profiles .legend button").nth(1)
    entry.focus()
    press()
    page.locator("h1").click()
    assert page.locator("[aria-pressed=true], figure.has-highlight").count() == 0


@pytest.mark.parametrize("width", [800, 1400])
def test_lines_of_charts_have_names_which_bring_them_out(opened, real_file: Path, width: int):
    page = opened(real_file, width=width).page
    number = page.evaluate("report.view.submissions.length")
    assert page.locator("#profiles figure text.name").count() == number
    assert 2 <= page.locator("#curves-body figure text.name").count() <= number, "some have no room"
    name = page.locator("#profiles figure text.name").first
    name.scroll_into_view_if_needed()
    name.hover()
    position = page.evaluate("document.querySelector('#profiles text.name.is-highlighted').classList[1]")
    assert page.locator("#profiles .legend .is-highlighted").get_attribute("data-key") == (
        position.replace("series-of-", "legend-")
    )
    page.mouse.move(2, 2)
    assert page.locator("figure.has-highlight").count() == 0


def test_lines_of_charts_differ_without_colour(opened, file: Path):
    dashes = opened(file).page.locator("#profiles figure path.series:not(.name), #profiles g.series[aria-label=line]")
    found = dashes.evaluate_all("all => all.map((line) => line.getAttribute('stroke-dasharray'))")
    assert len(found) == len(set(found)) == 3


def test_curves_end_where_runs_end(opened, runs, tmp_path: Path):
    """Two of three studies end after 12 s: the line does not go on to the end of the third."""
    target = runs.version.limits("digits").validation_target
    for study, seconds in enumerate((10.0, 12.0, 100.0)):
        approach = [(seconds * share, target * share) for share in (0.25, 0.5, 0.75, 1.0)]
        runs.trial("a", "digits", approach, study=study, status={"ruleset": "self"})
    write_report(algoperf_scoring.score(runs.root, runs.version), tmp_path / "report.html")
    report = opened(tmp_path / "report.html")
    last = "document.querySelector('#curves-body figure svg').scale('x').domain[1]"
    assert report.page.evaluate(last) == pytest.approx(12, abs=1e-6)
    report.page.check("#single")
    report.settle()
    assert report.page.evaluate(last) == pytest.approx(100, abs=1e-6)


@pytest.mark.parametrize("width", [360, 800, 1100, 1400])
def test_intervals_are_told_in_numbers_at_any_width(opened, real_file: Path, width: int):
    page = opened(real_file, width=width).page
    rows = page.locator("[data-csv=leaderboard] tbody tr")
    for row in rows.all():
        low, high = (float(row.locator("td[data-value]").nth(at).get_attribute("data-value") or "") for at in (2, 3))
        numbers = row.locator(".ends")
        assert numbers.is_visible()
        assert numbers.inner_text() == f"{low:.3f}\u2013{high:.3f}"


CHARTS = ("#profiles-body", "#times-body", "#curves-body", "#sensitivity-body")


def test_every_chart_brings_out_what_the_pointer_is_at_and_says_what_it_is(opened, file: Path):
    report = opened(file)
    page = report.page
    for figure in [found for body in CHARTS for found in page.locator(f"{body} figure").all()]:
        figure.evaluate("(figure) => figure.scrollIntoView({ behavior: 'instant', block: 'center' })")
        box = figure.locator("g.series[aria-label=dot] > *").first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
        report.until("document.querySelectorAll('figure.has-highlight .is-highlighted').length > 0")
        assert figure.locator("[aria-label=tip] text").count() == 1
        page.mouse.move(2, 2)
        report.until("document.querySelectorAll('figure.has-highlight').length === 0")


def test_on_a_phone_names_are_whole_above_their_fields(opened, real_file: Path):
    page = opened(real_file, width=390, height=800).page
    rows = page.evaluate(
        """() => [...document.querySelectorAll("#workloads-body .many tbody tr")].map((row) => {
          const [name, ...fields] = [...row.cells].map((cell) => cell.getBoundingClientRect());
          const tops = new Set(fields.map(({ top }) => Math.round(top)));
          return { isAbove: fields.every(({ top }) => top >= name.bottom - 1), lines: tops.size, width: name.width };
        })"""
    )
    assert rows
    assert all(row["isAbove"] and row["lines"] == 1 and row["width"] > 300 for row in rows)


def test_as_many_looks_as_submissions(opened, file: Path):
    looks = opened(file).page.evaluate(
        """() => {
          const numbers = [...Array(60).keys()];
          series.prepare({ submissions: numbers.map((look) => ({ look })) });
          return numbers.map((number) => JSON.stringify({ ...series.of(number), className: "" }));
        }"""
    )
    assert len(set(looks)) == 60


def test_the_time_axis_is_where_the_dots_are_and_the_budget_is_told_at_its_edge(opened, file: Path):
    report = opened(file)
    page = report.page
    page.select_option("#detail", label="wmt")
    report.settle()
    svg = page.locator("#times-body figure svg")
    xs = [box["x"] for dot in svg.locator("g.series > *").all() if (box := dot.bounding_box()) is not None]
    frame = svg.bounding_box()
    assert frame is not None
    assert max(xs) - min(xs) > 0.35 * frame["width"]
    texts = svg.locator("text").all_text_contents()
    assert [text for text in texts if text.startswith("budget ")] == ["budget 12 h \u2192"]


@pytest.mark.parametrize("width", [390, 800, 1280, 1400])
def test_the_matrix_shows_all_workloads_at_any_width(opened, real_file: Path, width: int):
    page = opened(real_file, width=width, height=800).page
    box = page.locator("#workloads-body .box").first
    assert box.evaluate("(box) => box.scrollWidth <= box.clientWidth")


def test_the_name_of_the_target_is_not_on_the_winners_points(opened, runs, tmp_path: Path):
    """Each submission has one evaluation, at the target: there the line's name must not stand, nor over it."""
    target = runs.version.limits("digits").validation_target
    for name, seconds in (("fast", 1.0), ("slow", 40.0)):
        runs.trial(name, "digits", [(seconds, target + 0.001)], status={"ruleset": "self"})
    write_report(algoperf_scoring.score(runs.root, runs.version), tmp_path / "report.html")
    report = opened(tmp_path / "report.html")
    words = report.page.inner_text("#curves-body")
    assert "at the target at their first evaluation: fast in 1 of 1 and slow in 1 of 1." in words
    svg = report.page.locator("#curves-body figure svg")
    name = svg.locator("text:has-text('target ')").first.bounding_box()
    assert name is not None
    for dot in svg.locator("g.series[aria-label=dot] > *").all():
        box = dot.bounding_box()
        assert box is not None
        apart_x = box["x"] + box["width"] <= name["x"] or name["x"] + name["width"] <= box["x"]
        apart_y = box["y"] + box["height"] <= name["y"] or name["y"] + name["height"] <= box["y"]
        assert apart_x or apart_y


@pytest.mark.parametrize("width", [360, 1400])
def test_names_of_lines_in_charts_do_not_meet(opened, real_file: Path, width: int):
    """Target, budget, largest ratio and left-out workloads, wherever their values happen to be."""
    report = opened(real_file, width=width)
    page = report.page
    for column in page.eval_on_selector_all("#detail option", "all => all.map(({ value }) => value)"):
        page.select_option("#detail", column)
        for _ in ("whole range", "not"):
            page.evaluate("document.getElementById('whole').click()")
            report.settle()
            assert page.evaluate(OVERLAPS) == [], column


def test_the_name_of_a_limit_stands_on_the_side_with_more_room(opened, runs, tmp_path: Path):
    """A ratio of 4 is close to the left end if another submission is a hundred times as slow."""
    for name, seconds in (("a", 0.2), ("b", 20.0)):
        runs.reaching(name, "digits", seconds, status={"ruleset": "self"})
    write_report(algoperf_scoring.score(runs.root, runs.version), tmp_path / "report.html")
    page = opened(tmp_path / "report.html", width=390).page
    anchors = page.locator("#times-body figure svg g:has(> text:text-is('4\u00d7 the fastest'))")
    assert anchors.get_attribute("text-anchor") == "start"
    assert page.evaluate(OVERLAPS) == []


@pytest.mark.parametrize("table", ["leaderboard", "cost"])
def test_a_phone_shows_main_tables_as_blocks_with_names_of_columns(opened, real_file: Path, table: str):
    page = opened(real_file, width=390, height=800).page
    box = page.locator(f".box:has(> [data-csv={table}])")
    assert box.evaluate("(box) => box.scrollWidth <= box.clientWidth")
    assert not page.is_visible(f".box:has(> [data-csv={table}]) + .hint")
    unnamed, values = page.evaluate(
        """(table) => {
          const cells = [...document.querySelectorAll(`[data-csv=${table}] tbody tr:first-child td:not([hidden])`)];
          const named = (cell) => getComputedStyle(cell, "::before").content.includes(cell.dataset.label);
          return [cells.filter((cell) => !named(cell)).map((cell) => cell.className), cells.length];
        }""",
        table,
    )
    # The rank is what begins a block; the cost's bar has a legend.
    assert unnamed == (["number"] if table == "leaderboard" else ["bar"])
    assert values > 5
    roles = page.locator(f"[data-csv={table}] tbody tr:first-child > *").evaluate_all(
        "all => all.map(({role}) => role)"
    )
    assert set(roles) == {"cell", "rowheader"}
    page.click(f"[data-csv={table}] thead button:has-text('{'credit' if table == 'leaderboard' else 'trials'}')")
    assert page.locator(f"[data-csv={table}] [aria-sort]").count() == 1


def test_a_table_wider_than_its_place_says_so_and_keeps_its_names_in_sight(opened, real_file: Path):
    page = opened(real_file, width=390, height=800).page
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    box = page.locator(".box:has(> [data-csv=left-out])")
    hint = page.locator(".box:has(> [data-csv=left-out]) + .hint")
    hint.wait_for(state="visible")
    assert "is-cut" in (box.get_attribute("class") or "")
    name = box.locator("tbody th").first
    before = name.bounding_box()
    box.evaluate("(box) => { box.scrollLeft = box.scrollWidth; }")
    page.wait_for_selector(".box.is-wide:not(.is-cut) > [data-csv=left-out]")
    assert name.bounding_box() == before


@pytest.mark.parametrize("width", [390, 800, 1400])
def test_bars_of_costs_are_as_long_as_costs_at_any_width(opened, real_file: Path, width: int):
    page = opened(real_file, width=width, height=800).page
    rows = page.evaluate(
        """() => [...document.querySelectorAll("[data-csv=cost] tbody tr")].map((row) => {
          const pieces = [...row.querySelectorAll(".cost-bar i")].map((one) => one.getBoundingClientRect());
          const box = row.closest(".box").getBoundingClientRect();
          const [first, last] = [pieces[0].left, pieces.at(-1).right];
          return { cost: Number(row.cells[5].dataset.value), length: last - first, isSeen: last <= box.right + 1 };
        })"""
    )
    longest = max(rows, key=lambda row: row["cost"])
    assert longest["length"] > 100
    for row in rows:
        assert row["isSeen"]
        expected = longest["length"] * row["cost"] / longest["cost"]
        assert row["length"] == pytest.approx(expected, abs=1.5)
