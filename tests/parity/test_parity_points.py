"""Tuning points against the reference's: the same floating point numbers, in the order of the sequence."""

import pytest

import golden
from algoperf.tuning.halton import odd_primes_below, quasi_random_points, van_der_corput
from algoperf.tuning.points import trial_point

FILES = golden.names("halton/*.json")
SPACES = [name for name in FILES if golden.read(name)["kind"] == "dict"]
LISTS = [name for name in FILES if golden.read(name)["kind"] == "list"]


def lists_of_points(name: str) -> dict[int, list[dict]]:
    """By number of points, the unshuffled lists of a file."""
    lists = {
        int(key.removesuffix("_unshuffled").removeprefix("n")): points
        for key, points in golden.read(name).items()
        if key.startswith("n") and key.endswith("_unshuffled")
    }
    assert lists.keys() >= {5, 15, 20}
    return lists


def test_golden_files_are_found():
    assert SPACES
    assert LISTS


@pytest.mark.parametrize("name", SPACES)
def test_points(name):
    space = golden.read(name)["search_space"]
    for count, expected in lists_of_points(name).items():
        points = quasi_random_points(space, count)
        assert points == expected, count
        assert [list(point) for point in points] == [list(point) for point in expected], "order of names"


@pytest.mark.parametrize("name", SPACES)
def test_studies_and_trials_share_out_the_points(name):
    """Every point goes to one (study, trial), and not in the order of the sequence."""
    space = golden.read(name)["search_space"]
    dealt = [
        trial_point(space, study=study, trial=trial, num_studies=3, num_trials=5, seed=7)
        for study in range(3)
        for trial in range(1, 6)
    ]
    expected = lists_of_points(name)[15]
    assert sorted(map(str, dealt)) == sorted(map(str, expected))
    if len(set(map(str, expected))) > 1:
        assert dealt != expected


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_points_is_used_as_it_is(name):
    space = golden.read(name)["search_space"]
    for count, expected in lists_of_points(name).items():
        points = [
            trial_point(space, study=1, trial=trial, num_studies=3, num_trials=count, seed=7)
            for trial in range(1, min(count, len(space)) + 1)
        ]
        assert points == expected, count


@pytest.mark.parametrize("name", [name for name in SPACES if "raw_unit_points_n20_unshuffled" in golden.read(name)])
def test_sequences_of_a_space(name):
    info = golden.read(name)
    columns = [van_der_corput(base, 20) for base in info["primes"]]
    assert [list(row) for row in zip(*columns, strict=True)] == info["raw_unit_points_n20_unshuffled"]


def test_sequences():
    """The raw sequences, and which primes serve how many dimensions."""
    index = golden.read("halton/_index")
    assert odd_primes_below(1000) == index["primes_lt_1000_without_2"]
    for info in index["sequences"].values():
        columns = [van_der_corput(base, 5) for base in info["primes"]]
        assert [list(row) for row in zip(*columns, strict=True)] == info["default_skip100_shifted_first5"]
        assert info["primes"] == odd_primes_below(1000)[-len(columns) - 1 : -1]
