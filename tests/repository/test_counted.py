"""Small parts of messages that everything shares."""

from __future__ import annotations

import pytest

from algoperf.errors import nearest_few
from algoperf.text import counted


@pytest.mark.parametrize(
    ("number", "nouns", "text"),
    [
        (1, ("run",), "1 run"),
        (0, ("run",), "0 runs"),
        (1234, ("run",), "1,234 runs"),
        (1, ("study", "studies"), "1 study"),
        (2, ("study", "studies"), "2 studies"),
        (1.0, ("time",), "1 time"),
        (float("inf"), ("time",), "inf times"),
    ],
)
def test_a_noun_follows_its_number(number, nouns, text):
    assert counted(number, *nouns) == text


def test_the_nearest_names_come_first_and_none_if_none_is_near():
    names = ["wmt", "digits", "criteo1tb_test", "criteo1tb"]
    assert nearest_few("Criteo", names) == ["criteo1tb", "criteo1tb_test"]
    assert nearest_few("zzz", names) == []
