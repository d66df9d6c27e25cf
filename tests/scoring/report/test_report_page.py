"""The file of a report: what is in it, and what is not."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html.parser
import json
import random
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from algoperf.commands.report import report as report_command
from algoperf.errors import UserError
from algoperf.versions import load_version
from algoperf_scoring import DOCUMENTED, Leaderboard, rank, read_comparison, sources
from algoperf_scoring.approach import Improvement, first_reaching, relaxed_target
from algoperf_scoring.findings import Finding
from algoperf_scoring.report import links, page, parts, payload, render, targets_page, write_report
from algoperf_scoring.report.curves import thinned
from algoperf_scoring.report.frontier import frontier
from algoperf_scoring.report.problems import Problem, in_plain_words
from algoperf_scoring.results import best_hit

MAX_BYTES = 2_000_000
VENDOR = Path(page.__file__).parent / "vendor"


class _Elements(html.parser.HTMLParser):
    """Start tags with their attributes, and what stands in scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in_script = tag == "script"
        if self._in_script:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._in_script = False

    def handle_data(self, data):
        if self._in_script:
            self.scripts[-1] += data


def test_payload_comes_out_of_the_page_as_it_went_in(board: Leaderboard):
    found = re.search(r'id="payload">([A-Za-z0-9+/=]*)</script>', render(board))
    assert found is not None
    unpacked = json.loads(gzip.decompress(base64.b64decode(found[1])))
    assert unpacked == json.loads(json.dumps(payload(board), allow_nan=False))
    assert unpacked["cells"][2][0] is None or unpacked["cells"][2][0]["studies"]


def test_the_same_leaderboard_gives_the_same_bytes(board: Leaderboard):
    assert render(board) == render(board)


def test_nothing_is_loaded_and_only_own_scripts_may_run(board: Leaderboard):
    text = render(board)
    elements = _Elements(text)
    assert {tag for tag, _ in elements.tags} & {"link", "iframe", "img", "object", "embed", "base"} == set()
    assert not [attributes for _, attributes in elements.tags if "src" in attributes or "srcset" in attributes]
    assert not [name for _, attributes in elements.tags for name in attributes if name.startswith("on")]
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = (a["content"] for t, a in elements.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    _, *code = elements.scripts  # the first is the payload
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'" for part in code]
    assert f"script-src {' '.join(hashes)};" in policy


def test_names_and_evidence_cannot_become_elements(board: Leaderboard):
    health = {
        "level": "fail",
        "num_runs": 1,
        "checks": [
            {
                "id": "<b>id</b>",
                "description": "<i>what</i>",
                "level": "fail",
                "counts": {"fail": 1},
                "outcomes": [{"path": "<u>a</u>", "level": "fail", "evidence": "</td></script><svg onload=x>"}],
            }
        ],
    }
    text = render(board, health)
    assert {"b", "i", "u", "img", "svg"} & {tag for tag, _ in _Elements(text).tags} == set()
    assert "&lt;svg onload=x&gt;" in text
    assert "&lt;|script&gt;&lt;img src=x" in text


def test_without_scripts_the_leaderboard_is_there(board: Leaderboard):
    text = render(board)
    ranking, matrix = re.findall(r"<tbody>.*?</tbody>", text, re.DOTALL)[:2]
    assert ranking.count("<tr>") == matrix.count("<tr>") == len(board.entries)
    for entry in board.entries:
        assert f'<td class="number">{entry.score:.4f}</td>' in ranking
    fastest = board.entries[0].cells["wmt"]
    assert fastest.ratio == 1
    assert f'class="number heat-0">1.00\u00d7<small>{fastest.seconds:,.0f} s</small>' in matrix
    assert 'class="number none">not reached<small>1 of 3 studies</small>' in matrix


def test_vendored_files_are_those_that_the_readme_names():
    readme = (VENDOR / "README.md").read_text()
    for name in parts.LIBRARIES:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() in readme
        assert (VENDOR / f"{name.partition('.')[0]}.LICENSE").is_file()


def test_all_scripts_are_in_the_page():
    assert {path.stem for path in (VENDOR.parent / "js").glob("*.js")} == {*page.SCRIPTS, *targets_page.SCRIPTS}


@pytest.mark.parametrize("ruleset", [pytest.param("external", marks=pytest.mark.full), "self"])
def test_real_reports_are_small_and_name_no_place_on_this_machine(archive, tmp_path: Path, ruleset: str):
    file = tmp_path / "report.html"
    write_report(rank(archive(ruleset), DOCUMENTED), file)
    assert file.stat().st_size <= MAX_BYTES
    text = gzip.decompress(base64.b64decode(re.findall(r'id="payload">(.*?)<', file.read_text())[0])).decode()
    assert str(tmp_path.parent) not in text
    assert str(tmp_path.parent) not in file.read_text()


def test_a_place_that_cannot_be_written_is_a_user_error(board: Leaderboard, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        write_report(board, tmp_path / "file" / "report.html")


def test_command_writes_the_page_with_health_and_tells_where(board: Leaderboard, runs):
    del board
    result = CliRunner().invoke(report_command, [str(runs.root), "--ruleset", "external"], catch_exceptions=False)
    file = runs.root / "report" / "report.html"
    assert result.exit_code == 0
    assert f"Wrote {file} (0." in result.output.replace("\n", "")
    assert "Health checks" in file.read_text()
    again = [str(runs.root), "--output", str(runs.root / "x.html"), "--no-checks", "--workloads", "wmt"]
    assert CliRunner().invoke(report_command, again, catch_exceptions=False).exit_code == 0
    assert "Health checks" not in (runs.root / "x.html").read_text()


def test_logs_are_linked_where_the_page_lies_among_them_or_where_they_are_published(board: Leaderboard, runs, tmp_path):
    beside = links.logs_of(board, runs.root / "report" / "report.html", None)
    assert beside["alpha"] == "../alpha"
    assert "<" not in beside[next(name for name in beside if name.startswith("<"))]
    assert links.logs_of(board, runs.root / "report.html", None)["beta"] == "beta"
    assert links.place_among_runs(board, runs.root / "a" / "x.html") == f"{runs.root.name}/a/x.html"
    assert links.place_among_runs(board, tmp_path / "elsewhere" / "report.html") is None
    assert links.logs_of(board, tmp_path / "elsewhere" / "report.html", None) == {}
    assert (
        links.logs_of(board, tmp_path / "x.html", "https://example.org/logs/")["beta"]
        == "https://example.org/logs/beta"
    )


def test_problems_are_told_in_plain_words_and_counted():
    file = "amos/study_{}/wmt_jax/trial_1/eval_measurements.csv"
    found = in_plain_words(
        [
            Finding(file.format(0), "line 3 and 62 more: no number in column validation/loss"),
            Finding(file.format(1), "line 9: no number in column validation/loss"),
            Finding("other/" + file.format(1), "is missing: the run ended before its first evaluation"),
            Finding("beta", "something new"),
        ]
    )
    assert found == [
        Problem("amos", "evaluations without a number for validation loss: they do not count", 2, 64),
        Problem("amos", "ended before the first evaluation", 1, 0),
        Problem("beta", "something new", 1, 0),
    ]


def test_checks_that_pass_are_folded(board: Leaderboard):
    def check(name: str, level: str) -> dict:
        return {"id": name, "description": "d", "level": level, "counts": {}, "outcomes": []}

    checks = [check("a", "pass"), check("b", "warn"), check("c", "pass"), check("d", "not_checked")]
    text = render(board, {"level": "warn", "num_runs": 1234, "checks": checks})
    assert "the 1,234 runs" in text
    folded = text.partition("2 checks pass")[2].partition("</details>")[0]
    assert '<th scope="row">a</th>' in folded
    assert '<th scope="row">c</th>' in folded
    assert '<th scope="row">b</th>' not in folded


@pytest.mark.parametrize("goal", ["min", "max"])
@pytest.mark.parametrize("best_trial", ["time", "index"])
def test_a_frontier_gives_the_hit_of_every_target(goal, best_trial):
    generator = random.Random(5)
    workload = {"min": "criteo1tb", "max": "wmt"}[goal]
    limits = load_version("v0.5").limits(workload)
    for _ in range(40):
        trials = [_random_trial(generator, limits, number) for number in range(1, 4)]
        steps = frontier(trials, limits, best_trial)
        for relaxation in (0.0, 0.2, *(generator.random() * 0.2 for _ in range(20))):
            target = relaxed_target(limits, relaxation)
            hits = [first_reaching(trial.approach, target, goal) for trial in trials]
            reached = [step for step in steps if (step.value >= target if goal == "max" else step.value <= target)]
            assert (reached[0].hit if reached else None) == best_hit(hits, best_trial)


def _random_trial(generator: random.Random, limits, number: int):
    """Improvements around the target, with rows and times that do not always go together."""
    sign = 1 if limits.goal == "max" else -1
    span = abs(limits.validation_target)
    keys = sorted({generator.choice([1.0, generator.uniform(0.7, 1.05)]) for _ in range(generator.randint(0, 12))})
    values = [limits.validation_target + sign * span * (key - 1) for key in keys]
    seconds = [generator.choice([10.0, 20.0, generator.uniform(1, 100)]) for _ in keys]
    rows = sorted(generator.sample(range(30), len(keys)))
    items = tuple(Improvement(r, 10.0 * r, s, v) for r, s, v in zip(rows, seconds, values, strict=True))
    return SimpleNamespace(approach=items, trial=SimpleNamespace(number=number))


def test_thinning_keeps_both_ends_and_the_crossing():
    values = [float("nan"), *(1.0 / (1 + row) for row in range(500)), float("inf")]
    rows = thinned(values, 0.0101, 40)
    assert len(rows) <= 40
    assert (rows[0], rows[-1]) == (1, 500)
    assert {98, 99, 100, 101} & set(rows)
    assert thinned(values[:10], 0.5, 40) == list(range(1, 10))


def test_long_lists_are_cut_for_the_eye_but_whole_for_their_csv_file(runs):
    runs.reaching("a", "wmt", 10)
    for number in range(2, page.SHOWN_FINDINGS + 7):
        runs.trial("a", "wmt", None, trial=number)
    text = render(rank(read_comparison(sources(runs.root), load_version(), "external")))
    rows = re.findall(r'<tr( hidden)?><th scope="row" class="path">', text)
    assert len(rows) == page.SHOWN_FINDINGS + 5
    assert rows.count(" hidden") == 5
    assert f"The first 40 of {len(rows)} are shown" in text
