"""The page's JavaScript computes what this package computes, for whatever a reader may choose."""

from __future__ import annotations

import json
import random
import statistics
from pathlib import Path
from typing import Any

import pytest

import oracle
from algoperf.versions import load_version
from algoperf_scoring import AS_PUBLISHED, DOCUMENTED, Comparison, Leaderboard, rank, read_comparison, sources
from algoperf_scoring.draws import uniforms
from algoperf_scoring.report import parts, payload

ASKED = (Path(__file__).parent / "asked.js").read_text()
ENGINE = ("draws", "engine", "bootstrap", "board")
TOLERANCE = 1e-9


@pytest.fixture
def answers(chromium):
    """What the scripts say to a view of a comparison."""
    tab = chromium.new_page()
    code = "\n".join(parts.read("js", f"{name}.js") for name in ENGINE)
    tab.add_script_tag(content=code)

    def load(board: Leaderboard):
        tab.evaluate("(text) => { globalThis.data = JSON.parse(text); }", json.dumps(payload(board)))

        def answer(view: dict[str, Any]) -> Any:
            return tab.evaluate(f"([view, taus]) => ({ASKED})(globalThis.data, view, taus)", [view, oracle.TAUS])

        return answer

    yield load
    tab.close()


def _agree(answers, comparison: Comparison, seed: int, number: int) -> None:
    answer = answers(rank(comparison, DOCUMENTED))
    generator = random.Random(seed)
    for _ in range(number):
        view = oracle.random_view(generator, comparison)
        expected = oracle.answer(comparison, view)
        assert oracle.largest_difference(answer(view), expected) <= TOLERANCE, view


def test_small_comparisons_agree(answers, board: Leaderboard):
    _agree(answers, board.comparison, seed=1, number=30)


@pytest.mark.parametrize("ruleset", [pytest.param("external", marks=pytest.mark.full), "self"])
def test_real_comparisons_agree(answers, archive, ruleset: str):
    _agree(answers, archive(ruleset), seed=2, number=10)


@pytest.mark.parametrize("ruleset", [pytest.param("external", marks=pytest.mark.full), "self"])
def test_published_and_documented_rule_agree_on_everything(answers, archive, ruleset: str):
    comparison = archive(ruleset)
    answer = answers(rank(comparison, DOCUMENTED))
    for rule in (DOCUMENTED, AS_PUBLISHED):
        view = {
            "submissions": list(range(len(comparison.results.submissions))),
            "workloads": list(range(len(comparison.results.workloads))),
            "reference": "baseline",
            "rule": vars(rule),
        }
        assert oracle.largest_difference(answer(view), oracle.answer(comparison, view)) <= 1e-12


def test_pruned_runs_refuse_uncertainty_here_too(answers, runs):
    for study in range(2):
        for name in ("a", "b"):
            runs.reaching(name, "wmt", 100 + study, study=study, status={"ruleset": "external"})
    for workload, rule in (("ogbg", "settled"), ("fastmri", "cut")):
        order = {"rule": rule, "reason": "It was not needed."}
        runs.missing("b", workload, study=0, status={"ruleset": "external", "status": "pruned", "pruned": order})
    folder = runs.trial("b", "criteo1tb", None, status={"ruleset": "external", "status": "pruned"})
    (folder / "meta_data_0.json").unlink()
    comparison = read_comparison(sources(runs.root), load_version())
    _agree(answers, comparison, seed=3, number=12)


def test_draws_are_the_same_bits(chromium):
    tab = chromium.new_page()
    tab.add_script_tag(content=parts.read("js", "draws.js"))
    found = tab.evaluate("[...draws.uniforms(7, [5, 3, 4])]")
    tab.close()
    assert found == uniforms(7, range(5), range(3), range(4)).ravel().tolist()


@pytest.fixture
def spread(chromium):
    """Median and range of curves, in the page's JavaScript."""
    tab = chromium.new_page()
    tab.add_script_tag(content="\n".join(parts.read("js", f"{name}.js") for name in ("engine", "spread")))
    yield lambda curves, grid, goal: tab.evaluate("([...asked]) => spread.over(...asked)", [curves, grid, goal])
    tab.close()


def test_curves_of_studies_become_median_and_range(spread):
    curves = [{"xs": [0, 2], "ys": [4, 2]}, {"xs": [0, 4], "ys": [8, 0]}, {"xs": [2, 4], "ys": [1, 3]}]
    # Before 2, the third study has no evaluation: it counts as the worst, and how bad it is is not known.
    rest = [
        {"x": 2, "median": 2, "low": 1, "high": 4},
        {"x": 4, "median": 2, "low": 0, "high": 3},  # the first study has ended, and keeps its last value
    ]
    for goal, start in {
        "min": [{"x": 0, "median": 8, "low": 4, "high": None}, {"x": 1, "median": 6, "low": 3, "high": None}],
        "max": [{"x": 0, "median": 4, "low": None, "high": 8}, {"x": 1, "median": 3, "low": None, "high": 6}],
    }.items():
        assert spread(curves, [0, 1, 2, 4, 5], goal) == [*start, *rest]
    assert [point["x"] for point in spread(curves[1:], [0, 1, 2, 4], "max")] == [2, 4], "half of two is not enough"


@pytest.mark.parametrize(("ends", "last"), [([7], 7), ([3, 8], 8), ([3, 5, 90], 5), ([9, 2, 3, 90], 9)])
def test_the_median_of_curves_ends_where_fewer_than_half_of_them_go_on(spread, ends: list[int], last: int):
    curves = [{"xs": [1, end], "ys": [0.1, 0.9]} for end in ends]
    assert spread(curves, sorted({1, 2, *ends, 100}), "max")[-1]["x"] == last


@pytest.mark.parametrize("number", [1, 3, 5])
def test_the_median_of_curves_reaches_the_target_at_the_median_time(spread, number: int):
    """However late a study has its first evaluation, and though others have long ended then."""
    generator = random.Random(number)
    for _ in range(20):
        curves = []
        for _ in range(number):
            xs = sorted(generator.sample(range(1, 1000), generator.randint(1, 4)))
            curves.append({"xs": xs, "ys": [generator.uniform(0, 0.8) for _ in xs[1:]] + [0.9]})
        grid = sorted({x for curve in curves for x in curve["xs"]})
        crossing = next(point["x"] for point in spread(curves, grid, "max") if point["median"] >= 0.9)
        assert crossing == statistics.median(curve["xs"][-1] for curve in curves)
