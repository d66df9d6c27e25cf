"""FineWeb-Edu: from parquet files to streams of tokens and to windows, and damaged, missing and surplus files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import golden
from algoperf.data.contracts import Shard, dataset_dir
from algoperf.data.store import array_units
from algoperf.data.store.store import Store, create_store
from algoperf.data.text.byte_pairs import BytePairTokenizer, Vocabulary
from algoperf.datasets.fineweb_edu import raw
from algoperf.datasets.fineweb_edu.dataset import FINEWEB_EDU, FINEWEB_EDU_MINI, FineWebEdu
from algoperf.datasets.fineweb_edu.documents import END, stream
from algoperf.datasets.fineweb_edu.miniature import parquet_of
from algoperf.datasets.fineweb_edu.windows import OpenFineWebEdu
from algoperf.errors import DataError, DiskFull, UserError
from places import SHARED_TOKENIZERS

LENGTH, NUM_TRAIN, NUM_VALIDATION = 8, 20, 5
END_OF_TEXT = "<|endoftext|>"
TEXTS = [
    ["Anna finds the old lamp.", "", "he moves", "that the rivers", f"a text{END_OF_TEXT}with an end inside"],
    [f"the {place * 'quiet '}garden opens number {place}." for place in range(12)],
]


def dataset(**changes: object) -> FineWebEdu:
    sizes = {"train": NUM_TRAIN, "validation": NUM_VALIDATION}
    given = {"length": LENGTH, "vocab_size": FINEWEB_EDU_MINI.vocab_size, "num_files": 2, "num_documents": 17,
             "num_sequences": sizes, "shard_bytes": 100}  # fmt: skip
    return FineWebEdu(**given | changes)


@pytest.fixture(scope="module")
def tokenizer_dir(tmp_path_factory) -> Path:
    """The two files of the miniature's tokenizer, and its parquet files."""
    folder = tmp_path_factory.mktemp("tokenizer")
    FINEWEB_EDU_MINI.miniature(folder)
    return folder


@pytest.fixture
def raw_dir(tokenizer_dir, tmp_path) -> Path:
    return write(tokenizer_dir, tmp_path / "raw")


def write(tokenizer_dir: Path, folder: Path) -> Path:
    folder.mkdir()
    for name in ("vocab.bpe", "encoder.json"):
        shutil.copy(tokenizer_dir / name, folder / name)
    for number, texts in enumerate(TEXTS):
        (folder / raw.parquet_name(number)).write_bytes(parquet_of(texts, group_rows=3))
    return folder


@pytest.fixture(scope="module")
def made(tokenizer_dir, tmp_path_factory) -> Path:
    """A store of the files as they should be."""
    folder = tmp_path_factory.mktemp("fineweb_edu")
    dataset().preprocess(write(tokenizer_dir, folder / "raw"), folder / "store")
    assert {path.name for path in folder.iterdir()} == {"raw", "store"}, "what is between is removed"
    return folder / "store"


# --- tokens -----------------------------------------------------------------------------------------------------


def test_published_tokens():
    """Awkward texts, with the published files of GPT-2."""
    folder = SHARED_TOKENIZERS / "gpt2"
    if not folder.is_dir():
        pytest.skip(f"no tokenizer files at {folder}")
    published = {file.name: file.sha256 for file in raw.TOKENIZER}
    vocabulary = Vocabulary.find(folder)
    assert published == {"vocab.bpe": vocabulary.merges_sha256, "encoder.json": vocabulary.ids_sha256}
    tokenizer = BytePairTokenizer(vocabulary)
    assert (len(tokenizer), tokenizer.end_of_text) == (50_257, 50_256)
    for case in golden.read("metrics/gpt2_tokens")["cases"]:
        assert tokenizer.encode_all([case["text"]]) == [case["ids"]]
    documents = golden.read("pipelines/lm_tokenizer")["documents"]
    for found, document in zip(tokenizer.encode_all([d["text"] for d in documents]), documents, strict=True):
        assert [*found, 50_256] == document["ids"] if found else not document["ids"]


def expected_streams(made: Path, raw_dir: Path) -> dict[str, list[int]]:
    """The documents of the table, one by one, each with an end unless it is empty, cut to the split's length."""
    tokenizer = BytePairTokenizer(Vocabulary.find(raw_dir))
    texts = [text for file in TEXTS for text in file]
    found = {}
    for split, count in (("train", NUM_TRAIN), ("validation", NUM_VALIDATION)):
        sources = Store.open(made).split(f"{split}_documents")["source"]
        ids = tokenizer.encode_all([texts[source] for source in sources])
        flat = [token for one in ids if one for token in (*one, tokenizer.end_of_text)]
        found[split] = flat[: count * (LENGTH + 1)]
    return found


def test_streams(made, raw_dir):
    store, expected = Store.open(made), expected_streams(made, raw_dir)
    for split, count in (("train", NUM_TRAIN), ("validation", NUM_VALIDATION)):
        tokens = store.split(split)["tokens"]
        assert tokens.dtype == np.uint16
        assert tokens.tolist() == expected[split]
        assert len(tokens) == count * (LENGTH + 1)
        ends = store.split(f"{split}_documents")["end"]
        assert (tokens[ends[:-1][np.diff(ends, prepend=0)[:-1] > 0] - 1] == FINEWEB_EDU_MINI.vocab_size - 1).all()
        assert ends[-1] == len(tokens)
    assert (np.asarray(store.split("train")["tokens"]) < FINEWEB_EDU_MINI.vocab_size).all()


def test_no_document_is_in_two_splits(made):
    """Each at most once, in an order that does not depend on anything but the number of documents."""
    sources = [Store.open(made).split(f"{split}_documents")["source"] for split in ("train", "validation")]
    together = np.concatenate(sources)
    assert len(np.unique(together)) == len(together)
    assert sources[0].tolist() != sorted(sources[0])


def test_the_cut_into_shards_does_not_show(made, raw_dir, tmp_path):
    dataset(shard_bytes=1 << 20).preprocess(raw_dir, tmp_path / "whole")
    assert Store.open(tmp_path / "whole").hash == Store.open(made).hash


def test_documents_end_where_their_end_is():
    assert stream([[5, 6], [], [7]]).tolist() == [5, 6, END, END, 7, END]
    assert stream([]).dtype == stream([[1]]).dtype == np.uint16


@pytest.mark.parametrize("step", ["tokens", "streams"])
def test_an_interrupted_call_is_continued(made, raw_dir, tmp_path, monkeypatch, capsys, step):
    """Shards that are finished are not made again, in either step."""
    written, write_shard = [], array_units._Arrays.write

    def failing(self, workspace, task):
        if (step == "streams") == (task.split != "documents") and len(written) == 2:
            raise KeyboardInterrupt
        written.extend([task] if (step == "streams") == (task.split != "documents") else [])
        write_shard(self, workspace, task)

    monkeypatch.setattr(array_units._Arrays, "write", failing)
    with pytest.raises(KeyboardInterrupt):
        dataset().preprocess(raw_dir, tmp_path / "store")
    assert not (tmp_path / "store").exists()
    monkeypatch.setattr(array_units._Arrays, "write", write_shard)
    dataset().preprocess(raw_dir, tmp_path / "store")
    assert "2 of" in capsys.readouterr().out
    assert Store.open(tmp_path / "store").hash == Store.open(made).hash
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "store"}


# --- wrong files ------------------------------------------------------------------------------------------------


def first(raw_dir: Path) -> Path:
    return raw_dir / raw.parquet_name(0)


def edited(edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda raw_dir: first(raw_dir).write_bytes(edit(first(raw_dir).read_bytes()))


def without_texts(raw_dir: Path) -> None:
    table = pyarrow.parquet.read_table(first(raw_dir))
    pyarrow.parquet.write_table(table.drop(["text"]), first(raw_dir))


def with_a_null(raw_dir: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a", None, "b", "c", "d"]}), first(raw_dir))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edited(lambda data: data[: len(data) // 2]), r"000_00000\.parquet is damaged"),
        (edited(lambda data: b""), r"000_00000\.parquet is damaged"),
        (edited(lambda data: b"no parquet file"), r"000_00000\.parquet is damaged"),
        (edited(lambda data: data[:4] + bytes(400) + data[404:]), r"000_00000\.parquet is damaged"),
        (lambda raw_dir: first(raw_dir).unlink(), r"000_00000\.parquet is not there.*`download`"),
        (lambda raw_dir: first(raw_dir).rename(raw_dir / "x.parquet"), r"000_00000\.parquet is not there"),
        (lambda raw_dir: shutil.copy(first(raw_dir), raw_dir / "2.parquet"), r"2\.parquet is none of the 2 files"),
        (lambda raw_dir: first(raw_dir).write_bytes(parquet_of(TEXTS[0][1:])), "have 16 documents .* should be 17"),
        (without_texts, r"000_00000\.parquet has no column 'text', only id, dump"),
        (with_a_null, r"000_00000\.parquet has a document without a text"),
        (lambda raw_dir: (raw_dir / "vocab.bpe").unlink(), r"vocab\.bpe is not there.*`download`"),
        (lambda raw_dir: (raw_dir / "encoder.json").write_text("{}"), r"encoder\.json are no tokenizer"),
        (lambda raw_dir: (raw_dir / "encoder.json").write_bytes(b"\xff"), r"encoder\.json are no tokenizer"),
    ],
    ids=["cut", "empty", "text", "overwritten", "missing", "renamed", "surplus", "fewer", "no column", "null",
         "no merges", "other ids", "no ids"],
)  # fmt: skip
def test_wrong_files_are_named(raw_dir, tmp_path, change, message):
    change(raw_dir)
    with pytest.raises(DataError, match=message):
        dataset().preprocess(raw_dir, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_wrong_sizes(raw_dir, tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"tokens for the split validation, but 90,000 are needed"):
        dataset(num_sequences={"train": 20, "validation": 10_000}).preprocess(raw_dir, tmp_path / "few")
    with pytest.raises(DataError, match="has 432 tokens, but the model has 50257"):
        dataset(vocab_size=50_257).preprocess(raw_dir, tmp_path / "other")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 90, 10))
    with pytest.raises(DiskFull):
        dataset().preprocess(raw_dir, tmp_path / "full")


def test_published_files():
    """28.5 GB at a fixed revision."""
    assert sum(file.num_bytes for file in raw.TEXTS) == 28_518_193_415
    assert all(raw.REVISION in file.url and len(file.sha256) == 64 for file in raw.TEXTS)
    assert [raw.TEXTS[0].name, raw.TEXTS[-1].name, len(raw.TEXTS)] == ["000_00000.parquet", "013_00000.parquet", 14]
    assert (FINEWEB_EDU.num_documents, dict(FINEWEB_EDU.num_sequences)) == (
        9_672_101, {"train": 8_749_870, "validation": 100_000}
    )  # fmt: skip


def test_miniature(prepare, tmp_path):
    opened_mini = FINEWEB_EDU_MINI.open(dataset_dir(prepare(FINEWEB_EDU_MINI, "mini"), FINEWEB_EDU_MINI, "mini"))
    assert {split: opened_mini.num_examples(split) for split in ("train", "validation")} == dict(
        FINEWEB_EDU_MINI.num_sequences
    )
    (tmp_path / raw.parquet_name(0)).write_bytes(b"another")
    with pytest.raises(UserError, match="holds something else than the miniature"):
        FINEWEB_EDU_MINI.miniature(tmp_path)


# --- windows ----------------------------------------------------------------------------------------------------


def test_published_windows(tmp_path):
    """From documents of ids to evaluation batches, as the reference makes them."""
    published = golden.read("pipelines/lm_pipeline")
    documents = published["documents"]["val"]
    windows = np.concatenate(documents)
    count = len(windows) // 9
    assert count == published["validation"]["windows"]
    with create_store(tmp_path / "store", dataset="fineweb_edu") as writer:
        writer.append("validation", {"tokens": windows.astype(np.uint16)})
    opened = OpenFineWebEdu(tmp_path / "store", 8)
    batches = opened.evaluation("validation", num_examples=count, batch_size=4, shard=Shard(), seed=0)
    for found, expected in zip(batches, published["validation"]["batches"], strict=True):
        real = found["real"]
        assert found["weights"].tolist() == [max(row) for row in expected["weights"]]
        for name in ("inputs", "targets"):
            assert found[name].dtype == np.int32
            assert found[name][real].tolist() == np.array(expected[name])[real].tolist()
            assert not found[name][~real].any(), "padding is no token outside the vocabulary"


def opened(made: Path):
    return dataset().open(made)


def test_training_batches(made):
    """All windows once per epoch; halves are halves; targets are one place ahead."""
    windows = np.asarray(Store.open(made).split("train")["tokens"]).reshape(NUM_TRAIN, LENGTH + 1)
    whole = opened(made).training(seed=3, batch_size=4, shard=Shard())
    halves = [opened(made).training(seed=3, batch_size=4, shard=Shard(index, 2)) for index in range(2)]
    seen = []
    for position in range(5):
        batch = whole.batch(position)
        assert batch.keys() == {"inputs", "targets"}
        for name in batch:
            parts = np.concatenate([half.batch(position)[name] for half in halves])
            np.testing.assert_array_equal(parts, batch[name])
        seen.append(np.concatenate([batch["inputs"], batch["targets"][:, -1:]], axis=1))
    assert sorted(np.concatenate(seen).tolist()) == sorted(windows.tolist())
    again = opened(made).training(seed=3, batch_size=4, shard=Shard()).batch(7)
    np.testing.assert_array_equal(again["inputs"], whole.batch(7)["inputs"])


@pytest.mark.parametrize("num_shards", [1, 2, 4, 8])
def test_evaluations_have_every_window_once(made, num_shards):
    windows = np.asarray(Store.open(made).split("validation")["tokens"]).reshape(NUM_VALIDATION, LENGTH + 1)
    rows = []
    for index in range(num_shards):
        shard = Shard(index, num_shards)
        for batch in opened(made).evaluation("validation", num_examples=5, batch_size=8, shard=shard, seed=0):
            rows += batch["targets"][batch["real"]].tolist()
    assert rows == windows[:, 1:].tolist()
