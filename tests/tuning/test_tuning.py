"""Search spaces, and which trial gets which point. The points themselves are compared in tests/parity."""

from __future__ import annotations

import json
import re

import pytest

from algoperf import seeds
from algoperf.errors import UserError
from algoperf.tuning.halton import quasi_random_points
from algoperf.tuning.points import as_hyperparameters, trial_point
from algoperf.tuning.search_space import MOST_DIMENSIONS, load_search_space
from places import SHARED_CASES

SPACE = {"rate": {"min": 1e-3, "max": 1e-1, "scaling": "log"}, "size": {"feasible_points": [1, 2, 3]}}


def points(space=SPACE, first_study=1, seed=7, **counts):
    counts = {"num_studies": 3, "num_trials": 5, **counts}
    studies = range(first_study, first_study + counts["num_studies"])
    return [
        [trial_point(space, study=s, trial=t, seed=seed, **counts) for t in range(1, counts["num_trials"] + 1)]
        for s in studies
    ]


def flat(studies):
    return sorted(json.dumps(point) for study in studies for point in study)


def test_all_studies_together_use_every_point_once():
    assert flat(points()) == sorted(json.dumps(point) for point in quasi_random_points(SPACE, 15))


def test_counting_studies_from_0_or_1_uses_the_same_points():
    assert flat(points(first_study=0)) == flat(points(first_study=1))


def test_the_seed_deals_the_points_out():
    assert points(seed=7) == points(seed=7)
    assert points(seed=7) != points(seed=8)
    assert flat(points(seed=7)) == flat(points(seed=8))


def test_a_list_gives_all_its_points_in_order_to_every_study():
    listed = [{"rate": float(n)} for n in range(5)]
    assert points(listed) == [listed] * 3


@pytest.mark.parametrize(("study", "trial"), [(4, 1), (1, 6)])
def test_places_outside_of_the_plan_are_refused(study, trial):
    with pytest.raises(UserError, match="3 studies x 5 trials"):
        trial_point(SPACE, study=study, trial=trial, num_studies=3, num_trials=5, seed=0)


def test_a_list_that_is_too_short_is_refused():
    with pytest.raises(UserError, match="lists 1 point"):
        trial_point([{"x": 1}], study=1, trial=2, num_studies=3, num_trials=5, seed=0)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not valid JSON"),
        ("{}", "non-empty"),
        ("[]", "at least one"),
        ("3", "object of dimensions"),
        ('[{"a": 1}, {"b": 1}]', "point 2 and point 1.*a, b"),
        ('{"a": {"min": 0, "max": 1, "scaling": "log"}}', "min > 0"),
        ('{"a": {"min": 2, "max": 1, "scaling": "linear"}}', "min <= max"),
        ('{"a": {"min": 0, "max": 1, "scaling": "cubic"}}', "linear, log"),
        ('{"a": {"min": 0, "max": 1}}', "Allowed"),
        ('{"a": {"feasible_points": 0.3}}', "non-empty list"),
        ('{"not a name": {"feasible_points": [1]}}', "identifier"),
        ('{"a": 1}', "Allowed"),
        ('{"class": {"feasible_points": [1]}}', "keyword"),
        ('{"_a": {"feasible_points": [1]}}', "without _ in front"),
        ('{"ﬁ": {"feasible_points": [1]}}', "identifier"),
        ('[{"a b": 1}]', "point 1: 'a b'.*identifier"),
        ('{"a": {"mn": 0, "max": 1, "scaling": "linear"}}', "Did you mean 'min'"),
        ('{"a": {"min": 0, "max": 1, "scaling": ["log"]}}', "scaling is .*linear, log"),
        ('{"a": {"feasible_points": [null]}}', "feasible point 1 is None"),
        ('{"a": {"feasible_points": [0, [1]]}}', "feasible point 2 is"),
        ('{"a": {"feasible_points": [{"min": 0}]}}', "feasible point 1 is an object"),
        ('{"a": {"min": -1e308, "max": 1e308, "scaling": "linear"}}', "too wide a range"),
        (json.dumps({f"a{n}": {"feasible_points": [n]} for n in range(167)}), "167 dimensions"),
        ("[" + '{"a": ' + "1" + "0" * 400 + "}]", "too large a number"),
    ],
)
def test_bad_search_spaces_are_explained(tmp_path, content, complaint):
    file = tmp_path / "space.json"
    file.write_text(content)
    with pytest.raises(UserError, match=complaint):
        load_search_space(file)


def test_a_missing_search_space_is_said_with_where_it_must_be_and_what_it_looks_like(tmp_path):
    (tmp_path / "search_space.json").write_text("{}")
    with pytest.raises(UserError) as raised:
        load_search_space(tmp_path / "tuning_search_space.json")
    said = str(raised.value)
    assert (
        f"no search space at {tmp_path}/tuning_search_space.json. Did you mean '{tmp_path}/search_space.json'?" in said
    )
    assert "algoperf new NAME --ruleset external" in said
    assert "make new NAME=mine RULESET=external" in said
    [example] = [line for line in said.splitlines() if line.startswith("  {")]
    (tmp_path / "tuning_search_space.json").write_text(example)
    assert load_search_space(tmp_path / "tuning_search_space.json").keys() == {"learning_rate", "beta1"}


COLLECTED = SHARED_CASES.glob("0[3-6]-*/*.json")
FINE = {"bom.json"}


@pytest.mark.parametrize("file", sorted(COLLECTED), ids=lambda file: f"{file.parent.name[:2]}-{file.stem}")
def test_collected_search_spaces_are_refused_with_a_sentence(file):
    if file.name in FINE:
        assert load_search_space(file)
        return
    with pytest.raises(UserError, match=re.escape(str(file))) as caught:
        load_search_space(file)
    assert len(str(caught.value)) < len(str(file)) + 300


def test_the_most_dimensions_have_points():
    space = {f"a{number}": {"feasible_points": [number]} for number in range(MOST_DIMENSIONS)}
    assert quasi_random_points(space, 1) == [{name: int(name[1:]) for name in space}]


def test_points_become_namedtuples():
    h = as_hyperparameters({"rate": 0.1, "size": 2})
    assert (h.rate, h.size, h._asdict()) == (0.1, 2, {"rate": 0.1, "size": 2})
    assert not hasattr(h, "dropout_rate")


def test_seeds_depend_on_every_part():
    base = ("v0.6", "nadamw", "digits", 1, 1, 0)
    varied = {seeds.derive(*base[:i], "changed", *base[i + 1 :]) for i in range(len(base))}
    assert len(varied | {seeds.derive(*base)}) == len(base) + 1
    assert all(0 <= seed < 2**31 for seed in varied)
    assert seeds.derive("ab", "c") != seeds.derive("a", "bc")
