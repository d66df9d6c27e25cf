"""Lines of click logs: numbers and hashes, against the reference, and against FarmHash itself."""

from __future__ import annotations

import farmhash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import golden
from algoperf.data.text.farmhash import fingerprint64, remainder
from algoperf.datasets.criteo1tb.lines import BUCKETS, GROUPS, ROW_BYTES, malformed, parse
from click_logs import inputs_of, line, stored_inputs, text_of

GOLDEN = golden.read("pipelines/criteo_parsing")


def as_bytes(strings: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(strings), np.uint8).reshape(len(strings), -1)


def test_reference_lines():
    rows = parse(text_of(GOLDEN["lines"]))
    found, expected = stored_inputs(rows), np.array(GOLDEN["inputs"])
    np.testing.assert_allclose(found[:, :13], expected[:, :13], rtol=1e-6)
    np.testing.assert_array_equal(found[:, 13:], expected[:, 13:])
    assert rows["labels"].tolist() == GOLDEN["targets"]
    assert list(BUCKETS) == GOLDEN["vocab_sizes"]
    quoted = stored_inputs(parse(text_of([GOLDEN["quoted_field"]["line"]])))
    np.testing.assert_allclose(quoted, [GOLDEN["quoted_field"]["inputs"]], rtol=1e-6)


def test_reference_hashes():
    """Strings of 0 to 145 bytes, modulo a large and a small number."""
    for buckets, ids in zip(GOLDEN["hash"]["buckets"], GOLDEN["hash"]["ids"], strict=True):
        for length, expected in zip(GOLDEN["hash"]["lengths"], ids, strict=True):
            text = GOLDEN["hash"]["text"][:length].encode()
            hashes = fingerprint64(np.frombuffer(text * 2, np.uint8).reshape(2, length))
            assert remainder(hashes, buckets).tolist() == [expected] * 2, length


@pytest.mark.parametrize(
    ("text", "column", "expected"), [("68fd1e64", 0, 6_734_129), ("", 1, 10_351), ("aaaa", 2, 4_686)]
)
def test_published_buckets(text, column, expected):
    fields = ["0"] + [""] * 39
    fields[14 + column] = text
    assert stored_inputs(parse(text_of(["\t".join(fields)])))[0, 13 + column] == expected


def test_fingerprints_of_all_lengths():
    rng = np.random.default_rng(0)
    for length in range(300):
        strings = rng.integers(256, size=(3, length), dtype=np.uint8)
        assert fingerprint64(strings).tolist() == [farmhash.fingerprint64(row.tobytes()) for row in strings], length


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=20), st.integers(1, 2**40))
def test_fingerprints_and_remainders(strings, divisor):
    hashes = fingerprint64(as_bytes(strings))
    expected = [farmhash.fingerprint64(string) for string in strings]
    assert hashes.tolist() == expected
    assert remainder(hashes, divisor).tolist() == [value % divisor for value in expected]


def test_lines_of_all_kinds():
    """Missing fields and strings of any length, beside code that goes field by field."""
    lines = [line(number) for number in range(300)]
    rows = parse(text_of(lines))
    labels, inputs = zip(*map(inputs_of, lines), strict=True)
    assert rows["labels"].tolist() == list(labels)
    np.testing.assert_allclose(stored_inputs(rows)[:, :13], np.array(inputs)[:, :13], rtol=1e-6)
    np.testing.assert_array_equal(stored_inputs(rows)[:, 13:], np.array(inputs)[:, 13:])
    assert sum(array[0].nbytes for array in rows.values()) == ROW_BYTES == 113


def test_every_bucket_fits_its_type():
    columns = sorted(column for _, group in GROUPS.values() for column in group)
    assert columns == list(range(26))
    for kind, group in GROUPS.values():
        assert all(BUCKETS[column] - 1 <= np.iinfo(kind).max for column in group)


@pytest.mark.parametrize("name", GOLDEN["bad_lines"])
def test_malformed_lines_of_the_reference(name):
    lines = [*GOLDEN["lines"][:2], GOLDEN["bad_lines"][name], *GOLDEN["lines"][2:4], GOLDEN["bad_lines"][name]]
    with pytest.raises(ValueError, match=r"columns|conversion error|is empty"):
        parse(text_of(lines))
    assert [number for number, _ in malformed(text_of(lines))] == [2, 5]


@pytest.mark.parametrize("last", ['"abc', 'ab"c', '"'])
def test_quotes_that_are_not_closed(last):
    """Wherever the line is: nothing is joined with the next one."""
    wrong = "\t".join([*[""] * 39, last])
    text = text_of([line(1), wrong, line(2), wrong])
    assert list(malformed(text)) == [(1, "a quote is not closed"), (3, "a quote is not closed")]


@pytest.mark.parametrize("wrong", ["2\t", "nan\t", "0\tnan", "0\tinf", "0\r"])
def test_other_malformed_lines(wrong):
    fields = wrong.split("\t")
    text = text_of([line(1), "\t".join(fields + [""] * (40 - len(fields))), line(2)])
    assert [number for number, _ in malformed(text)] == [1]
