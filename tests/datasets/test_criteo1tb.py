"""Click logs: from compressed days to the store and to batches; damaged, missing and surplus files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import golden
from algoperf.data.contracts import Shard
from algoperf.data.store.store import Store
from algoperf.data.transfer.download import Patience
from algoperf.data.workers.pool import WorkerPool
from algoperf.datasets.criteo1tb import days, raw
from algoperf.datasets.criteo1tb.batches import OpenCriteo1TB
from algoperf.datasets.criteo1tb.dataset import CRITEO1TB, Criteo1TB
from algoperf.errors import DataError
from click_logs import SMALL, day_lines, inputs_of, stored_inputs, text_of, write_days, write_text, write_zip
from faulty_server import FaultyServer

ALL_LINES = [text for day in range(3) for text in day_lines(day)]
SPLITS = {"train": range(21), "test": range(21, 26), "validation": range(26, 35)}  # numbers of lines


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clicks")
    SMALL.preprocess(write_days(folder / "raw"), folder / "store")
    return folder / "store"


def opened(directory: Path, pool: WorkerPool | None = None) -> OpenCriteo1TB:
    chosen = pool or WorkerPool(0)
    return OpenCriteo1TB(directory, SMALL.file_lines(), lambda: chosen)


def expected_inputs(numbers: range | list[int]) -> np.ndarray:
    return np.array([inputs_of(ALL_LINES[number])[1] for number in numbers])


def test_store(made):
    """Every line of every split, in order; the test split is the first part of the last day."""
    store = Store.open(made)
    store.verify()
    assert set(store.splits) == set(SPLITS)
    for split, numbers in SPLITS.items():
        rows = store.split(split)
        assert store.num_examples(split) == len(numbers)
        assert rows["labels"].tolist() == [number % 2 for number in numbers]
        np.testing.assert_allclose(stored_inputs(rows), expected_inputs(numbers), rtol=1e-6)


@pytest.mark.parametrize("write", [write_zip, write_text])
def test_other_forms_of_the_files(made, write, tmp_path, monkeypatch):
    """A zip of compressed days, and text; read in pieces that end within lines."""
    monkeypatch.setattr(days, "_CHUNK_BYTES", 700)
    raw_dir = write(tmp_path / "raw")
    raw.fetch(raw_dir, 3)  # nothing is missing, so nothing is asked for
    SMALL.preprocess(raw_dir, tmp_path / "store")
    assert Store.open(tmp_path / "store").hash == Store.open(made).hash
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw", "store"], "no text is left"


def test_the_store_of_another_scale(made):
    with pytest.raises(DataError, match="holds 21 training lines, expected 4195197692"):
        CRITEO1TB.open(made)


def test_full_size():
    """The published numbers of files and lines; test is 19 files."""
    lines = CRITEO1TB.file_lines()
    assert (len(lines), sum(lines), max(lines)) == (849, 4_195_197_692, 5_000_000)
    assert lines[39] == 195_841_983 - 39 * 5_000_000
    assert sum(raw.LINES_PER_DAY) == 4_373_472_329
    assert raw.LINES_PER_DAY[-1] - 19 * CRITEO1TB.lines_per_file == 83_274_637


def test_files_of_splits_as_published(tmp_path):
    """Files of two lines, whose numbers are their dense features, in batches of 16."""
    published = golden.read("pipelines/criteo_parsing")["files"]
    small = Criteo1TB(lines_per_day=(4, 2, 72), lines_per_file=2, num_test_files=19)
    assert small.file_lines() == [2, 2, 2]
    tail = "\t".join([""] * 26)
    numbers = iter(range(78))
    (tmp_path / "raw").mkdir()
    for day, count in enumerate(small.lines_per_day):
        lines = ["\t".join([str(n % 2), *[str(n)] * 13, tail]) for n in (next(numbers) for _ in range(count))]
        (tmp_path / "raw" / f"day_{day}").write_bytes(text_of(lines))
    small.preprocess(tmp_path / "raw", tmp_path / "store")
    dataset = OpenCriteo1TB(tmp_path / "store", small.file_lines(), lambda: WorkerPool(0))
    for split in ("validation", "test"):
        info = published[split]
        batches = list(
            dataset.evaluation(split, num_examples=dataset.num_examples(split), batch_size=16, shard=Shard(), seed=0)
        )
        found = [np.rint(np.expm1(batch["inputs"][:, 0])).astype(int).tolist() for batch in batches]
        assert found == info["line_numbers_by_batch"]
        assert batches[-1]["weights"][:, 0].tolist() == info["weights_of_last_batch"]
        assert batches[-1]["targets"][:, 0].tolist() == info["targets_of_last_batch"]
        assert batches[-1]["weights"].shape == batches[-1]["targets"].shape == (16, 1)
        assert not batches[-1]["inputs"][~batches[-1]["real"]].any()


def visited(batches, count: int) -> list[int]:
    """Numbers of the lines in the first batches."""
    known = {tuple(row): number for number, row in enumerate(expected_inputs(SPLITS["train"])[:, 13:].tolist())}
    return [known[tuple(row)] for place in range(count) for row in batches.batch(place)["inputs"][:, 13:].tolist()]


def test_files_are_shuffled_and_lines_are_not(made):
    files = [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11], [12, 13, 14, 15, 16], [17, 18, 19, 20]]
    orders = set()
    for seed in range(4):
        lines = visited(opened(made).training(seed=seed, batch_size=7, shard=Shard()), 6)
        for epoch in (lines[:21], lines[21:]):
            firsts = [file[0] for file in files]
            starts = [place for place, number in enumerate(epoch) if number in firsts]
            pieces = [epoch[start:stop] for start, stop in zip(starts, [*starts[1:], 21], strict=True)]
            assert sorted(pieces) == files
            orders.add(tuple(epoch))
    assert len(orders) == 8


def test_batches_do_not_depend_on_workers_or_shards(made):
    """They are a function of seed and position, and of nothing before."""
    pool = WorkerPool(2)
    try:
        given = {"seed": 7, "batch_size": 8}
        for position in (0, 5, 1):
            whole = opened(made).training(**given, shard=Shard()).batch(position)
            parts = [opened(made, pool).training(**given, shard=Shard(index, 2)).batch(position) for index in range(2)]
            for name, array in whole.items():
                np.testing.assert_array_equal(array, np.concatenate([part[name] for part in parts]), err_msg=name)
    finally:
        pool.close()


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_every_line_is_evaluated_once(made, count):
    dataset = opened(made)
    for split, numbers in {**SPLITS, "eval_train": SPLITS["train"]}.items():
        found = []
        for index in range(count):
            for batch in dataset.evaluation(
                split, num_examples=len(numbers), batch_size=8, shard=Shard(index, count), seed=3
            ):
                np.testing.assert_array_equal(batch["weights"][:, 0], batch["real"])
                found += batch["inputs"][batch["real"]].tolist()
        np.testing.assert_allclose(sorted(found), sorted(expected_inputs(numbers).tolist()), rtol=1e-6)


def test_training_lines_of_an_evaluation_are_other_files_each_time(made):
    dataset = opened(made)
    samples = {
        str(dataset.evaluation("eval_train", num_examples=5, batch_size=5, shard=Shard(), seed=seed)[0]["inputs"])
        for seed in range(6)
    }
    assert len(samples) > 2


def cut(text: bytes, count: int) -> bytes:
    return b"".join(text.splitlines(keepends=True)[:count])


FAULTS = {
    r"day_1\.gz has 8 lines, but day_1 should have 9": lambda found: found.update(day_1=cut(found["day_1"], 8)),
    r"day_1\.gz has more than 9 lines": lambda found: found.update(day_1=found["day_1"] + text_of([ALL_LINES[0]])),
    r"day_2\.gz has more than 14 lines": lambda found: found.update(day_2=found["day_2"] + text_of([ALL_LINES[0]])),
    r"day_2\.gz has 0 lines, but day_2 should have 14": lambda found: found.update(day_2=b""),
    r"has no day_0\.gz, and neither a zip with it nor its text; 1 of 3 days": lambda found: found.pop("day_0"),
    r"day_3\.gz is not expected: there should be 3 days": lambda found: found.update(day_3=found["day_0"]),
}


@pytest.mark.parametrize("message", FAULTS)
def test_wrong_files(message, tmp_path):
    raw_dir = write_days(tmp_path / "raw", FAULTS[message])
    with pytest.raises(DataError, match=message):
        SMALL.preprocess(raw_dir, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_malformed_lines_are_counted_and_named(tmp_path, monkeypatch):
    """With file and number, wherever pieces end; what is not of the day's part counts, too."""
    monkeypatch.setattr(days, "_CHUNK_BYTES", 700)

    def change(found: dict[str, bytes]) -> None:
        lines = found["day_1"].decode().splitlines()
        lines[2], lines[7] = lines[2] + "\tmore", ""
        found["day_1"] = text_of(lines)

    raw_dir = write_days(tmp_path / "raw", change)
    with pytest.raises(DataError, match=r"(?s)day_1\.gz has 2 malformed lines:.*line 3: .*got 41.*line 8: .*empty"):
        SMALL.preprocess(raw_dir, tmp_path / "store")
    everything = write_days(tmp_path / "other", lambda found: found.update(day_0=b"x\n" * 12))
    monkeypatch.setattr(days, "_COUNTED", 5)
    with pytest.raises(DataError, match=r"day_0\.gz has at least 5 malformed lines"):
        SMALL.preprocess(everything, tmp_path / "store")


@pytest.mark.parametrize("damage", ["cut", "flipped", "no zip"])
def test_damaged_files(damage, tmp_path):
    raw_dir = write_days(tmp_path / "raw")
    path = raw_dir / "day_1.gz"
    content = bytearray(path.read_bytes())
    if damage == "no zip":
        path.unlink()
        path = raw_dir / "all_days.zip"
        path.write_bytes(b"PK no zip")
    else:
        content[-6] ^= 255  # of the checksum
        path.write_bytes(content[:-40] if damage == "cut" else content)
    with pytest.raises(DataError, match=path.name):
        SMALL.preprocess(raw_dir, tmp_path / "store")


def test_only_a_day_that_was_replaced_is_done_again(made, tmp_path, capsys):
    raw_dir = write_days(tmp_path / "raw", lambda found: found.update(day_1=cut(found["day_1"], 8)))
    with pytest.raises(DataError, match="day_1"):
        SMALL.preprocess(raw_dir, tmp_path / "store")
    whole = write_days(tmp_path / "whole")
    shutil.copy(whole / "day_1.gz", raw_dir / "day_1.gz")
    SMALL.preprocess(raw_dir, tmp_path / "store")
    assert "1 of 4 shards are there already" in capsys.readouterr().out
    assert Store.open(tmp_path / "store").hash == Store.open(made).hash
    SMALL.preprocess(raw_dir, tmp_path / "store")
    assert "Writing" not in capsys.readouterr().out


def test_download_fetches_what_is_missing(tmp_path, monkeypatch, capsys):
    raw_dir = write_days(tmp_path / "raw")
    content = (raw_dir / "day_1.gz").read_bytes()
    (raw_dir / "day_1.gz").unlink()
    with FaultyServer() as server:
        monkeypatch.setattr(raw, "URL", server.url(""))
        server.behaviour.content, server.behaviour.break_after, server.behaviour.break_count = content, 300, 2
        monkeypatch.setattr(Patience, "wait_sec", lambda self, failures: 0.0)
        raw.fetch(raw_dir, 3)
        assert (raw_dir / "day_1.gz").read_bytes() == content
        assert "disk space needed" in capsys.readouterr().out
        (raw_dir / "day_2.gz").unlink()
        server.behaviour.status = 404
        with pytest.raises(DataError, match=r"HTTP 404 .*may be put into .*day_0\.csv"):
            raw.fetch(raw_dir, 3)
