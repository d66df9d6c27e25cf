from __future__ import annotations

import math
from pathlib import Path

import pytest

from algoperf_scoring.evaluations import read_evaluations

HEADER = "global_step,score,validation/ssim\n"


def read(tmp_path: Path, content: str | bytes):
    file = tmp_path / "eval_measurements.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    table = read_evaluations(file, ["validation/ssim"])
    pairs = zip(table.columns.get("score", ()), table.columns.get("validation/ssim", ()), strict=True)
    return list(pairs), list(table.flaws)


def test_columns_are_found_by_name(tmp_path: Path):
    assert read(tmp_path, "validation/ssim,other,score\n0.5,x,10\n") == ([(10.0, 0.5)], [])


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_sound_file_has_no_flaws(tmp_path: Path, newline: str):
    content = (HEADER + "1,2.5,0.1\n2,3.5,0.2\n").replace("\n", newline)
    assert read(tmp_path, content) == ([(2.5, 0.1), (3.5, 0.2)], [])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        (HEADER, "only a header"),
        ("global_step,score\n1,2\n", "no column validation/ssim"),
        ("global_step,validation/ssim\n1,2\n", "no column score"),
        (HEADER + "1,,0.9\n", "line 2: row ignored: no time"),
        (HEADER + "1,nan,0.9\n", "line 2: row ignored: no time"),
        (HEADER + "1,-5,0.9\n", "line 2: row ignored: no time"),
        (HEADER + "1,2\n", "2 fields instead of 3"),
        (b"\xff\xfe\x00\x01", "torn"),
        (HEADER + '1,2,"0.9\n', "cannot be read"),
    ],
)
def test_damaged_files_give_a_reason_and_no_hit(tmp_path: Path, content: str | bytes, reason: str):
    evaluations, reasons = read(tmp_path, content)
    assert not [value for _, value in evaluations if value >= 0.7]
    assert any(reason in given for given in reasons), reasons


def test_a_missing_file_gives_a_reason(tmp_path: Path):
    table = read_evaluations(tmp_path / "none.csv", ["validation/ssim"])
    assert table.num_rows == 0
    assert table.flaws == ("is missing: the run ended before its first evaluation",)


@pytest.mark.parametrize("cut", ["2,20,0.9", "2,20,", "2,2", "2,20,0.9912e"])
def test_a_torn_last_row_is_dropped_even_where_its_cut_number_is_a_number(tmp_path: Path, cut: str):
    # The whole row may have been "2,20,0.9e-5".
    evaluations, reasons = read(tmp_path, HEADER + "1,10,0.1234567\n" + cut)
    assert evaluations == [(10.0, 0.1234567)]
    assert reasons == ["line 3: row ignored: it is torn, the file ends within it"]


@pytest.mark.parametrize("last", ["0.9", "0.99999", "nan"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_complete_last_row_needs_no_line_end(tmp_path: Path, last: str, newline: str):
    evaluations, reasons = read(tmp_path, (HEADER + f"1,10,0.123\n2,20,{last}").replace("\n", newline))
    assert [seconds for seconds, _ in evaluations] == [10.0, 20.0]
    assert not [reason for reason in reasons if "torn" in reason]


def test_the_first_and_only_row_needs_no_line_end(tmp_path: Path):
    assert read(tmp_path, HEADER + "1,10,0.9") == ([(10.0, 0.9)], [])


def test_zero_seconds_are_no_time(tmp_path: Path):
    evaluations, reasons = read(tmp_path, HEADER + "1,0,0.9\n2,0.0,0.9\n3,1e-3,0.9\n")
    assert evaluations == [(0.001, 0.9)]
    assert reasons == ["line 2 and 1 more: row ignored: 0 seconds are no time in column score"]


@pytest.mark.parametrize("field", ["1_0.5", "\u0661\u0662"])  # the second one: Arabic-Indic 12
def test_what_only_python_reads_as_a_number_is_none(tmp_path: Path, field: str):
    assert float(field) > 10
    assert read(tmp_path, HEADER + f"1,{field},0.9\n2,30,0.9\n")[0] == [(30.0, 0.9)]
    evaluations, reasons = read(tmp_path, HEADER + f"1,20,{field}\n")
    assert math.isnan(evaluations[0][1])
    assert reasons == ["line 2: no number in column validation/ssim"]


@pytest.mark.parametrize("name", ["score", "validation/ssim"])
def test_a_needed_column_given_twice_gives_no_evaluation(tmp_path: Path, name: str):
    evaluations, reasons = read(tmp_path, f"score,validation/ssim,{name}\n20,0.9,5\n")
    assert evaluations == []
    assert reasons == [f"has column {name!r} twice: which one counts is not known"]


def test_another_column_given_twice_is_told_and_not_used(tmp_path: Path):
    file = tmp_path / "eval_measurements.csv"
    file.write_text("score,global_step,global_step,validation/ssim\n20,1,2,0.9\n")
    table = read_evaluations(file, ["validation/ssim"], ("global_step",))
    assert table.columns == {"score": [20.0], "validation/ssim": [0.9]}
    assert "'global_step' twice" in table.flaws[0]


def test_a_row_without_a_metric_is_kept_as_nan_and_counted(tmp_path: Path):
    evaluations, reasons = read(tmp_path, HEADER + "1,10,\n2,20,nan\n3,30,0.5\n")
    assert [seconds for seconds, _ in evaluations] == [10.0, 20.0, 30.0]
    assert math.isnan(evaluations[0][1])
    assert math.isnan(evaluations[1][1])
    assert reasons == ["line 2 and 1 more: no number in column validation/ssim"]


def test_rows_before_one_that_cannot_be_read_are_kept(tmp_path: Path):
    evaluations, reasons = read(tmp_path, HEADER + '1,10,0.1\n2,20,0.2\n3,30,"0.9\n4,40,0.9\n')
    assert evaluations == [(10.0, 0.1), (20.0, 0.2)]
    assert reasons == ["line 4: cannot be read: unexpected end of data"]


def test_a_row_of_another_length_leaves_its_neighbours_alone(tmp_path: Path):
    evaluations, reasons = read(tmp_path, HEADER + "1,10,0.1\n2,20\n3,30,0.3,9\n4,40,0.4\n")
    assert evaluations == [(10.0, 0.1), (40.0, 0.4)]
    assert reasons == [
        "line 3: row ignored: 2 fields instead of 3",
        "line 4: row ignored: 4 fields instead of 3",
    ]


def test_time_that_goes_back_is_told_and_rows_stay_in_the_order_of_the_file(tmp_path: Path):
    evaluations, reasons = read(tmp_path, HEADER + "1,10,0.1\n2,9,0.2\n3,30,0.3\n")
    assert [seconds for seconds, _ in evaluations] == [10.0, 9.0, 30.0]
    assert reasons == ["line 3: time in column score is before that of the row above"]


def test_other_columns_are_read_on_demand(tmp_path: Path):
    file = tmp_path / "eval_measurements.csv"
    file.write_text("train/loss,score,global_step,note\n0.5,10,1,x\n,20,2,y\n")
    assert set(read_evaluations(file).columns) == {"score"}
    table = read_evaluations(file, ["global_step"], ("train/loss", "absent"))
    assert set(table.columns) == {"score", "global_step", "train/loss"}
    assert math.isnan(table.columns["train/loss"][1])
    assert table.flaws == ()  # a column that is not required may have gaps
    assert set(read_evaluations(file, optional=None).columns) == {"train/loss", "score", "global_step", "note"}
    assert table.lines == [2, 3]
