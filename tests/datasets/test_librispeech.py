"""LibriSpeech: from archives of FLAC files to the store and to batches, and damaged, missing and surplus files."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from algoperf.data.audio.log_mel import num_frames
from algoperf.data.contracts import Shard, dataset_dir
from algoperf.data.store.blobs import BlobReader
from algoperf.data.store.store import Store
from algoperf.data.text.sentence_piece import Tokenizer, train_unigram
from algoperf.data.workers.pool import WorkerPool
from algoperf.datasets.archives import tar_of
from algoperf.datasets.librispeech import raw
from algoperf.datasets.librispeech.batches import TOKENIZER, OpenLibriSpeech
from algoperf.datasets.librispeech.dataset import LIBRISPEECH_MINI, LibriSpeech
from algoperf.datasets.librispeech.miniature import flac_of
from algoperf.datasets.librispeech.utterances import MOST_CHARACTERS, Limits, read_flac
from algoperf.errors import DataError, UserError

SUBSETS = [subset for subsets in raw.SUBSETS.values() for subset in subsets]
LONGEST = 320_000
TEXTS = ["THE CAT", "A DOG'S CAT", "THE DOG", "CAT AND DOG"]
VOCAB_SIZE = 17
Members = dict[str, bytes]


def sound(subset: str, number: int, count: int | None = None) -> np.ndarray:
    rng = np.random.default_rng([len(subset), sum(map(ord, subset)), number])
    return rng.integers(-3000, 3000, count or int(rng.integers(900, 3000))).astype(np.int16)


def tree(subset: str) -> Members:
    """Two chapters of two utterances."""
    members = {}
    for place in range(2):
        name = f"{100 + place}-{7 * place}"
        folder = f"LibriSpeech/{subset}/{name.replace('-', '/')}"
        lines = []
        for number in range(2):
            members[f"{folder}/{name}-{number:04d}.flac"] = flac_of(sound(subset, 2 * place + number))
            lines.append(f"{name}-{number:04d} {TEXTS[2 * place + number]}\n")
        members[f"{folder}/{name}.trans.txt"] = "".join(lines).encode()
    return members


def dataset(**changes: int) -> LibriSpeech:
    return LibriSpeech(vocab_size=VOCAB_SIZE, num_utterances=dict.fromkeys(SUBSETS, 4) | changes, shard_bytes=5_000)


def write(raw_dir: Path, change: Callable[[Members], None] | None = None, subset: str = "dev-other") -> Path:
    """All archives; `change` edits the members of one."""
    raw_dir.mkdir()
    for name in SUBSETS:
        members = tree(name)
        if change is not None and name == subset:
            change(members)
        (raw_dir / raw.archive_name(name)).write_bytes(gzip.compress(tar_of(members), 1, mtime=0))
    return raw_dir


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A store of the archives as they should be."""
    folder = tmp_path_factory.mktemp("librispeech")
    dataset().preprocess(write(folder / "raw"), folder / "store")
    assert sorted(path.name for path in folder.iterdir()) == ["raw", "store"], "what was unpacked is removed"
    return folder / "store"


def test_samples_and_tokens_of_every_utterance(made):
    """Bit by bit, in the order of subsets and utterances, without padding."""
    store = Store.open(made)
    tokenizer = Tokenizer(store.read_file(TOKENIZER))
    for split, subsets in raw.SUBSETS.items():
        reader = BlobReader(made, split)
        assert len(reader) == 4 * len(subsets)
        for row in range(len(reader)):
            data, count = np.frombuffer(reader.read(row), np.int16), int(reader.fields["num_tokens"][row])
            np.testing.assert_array_equal(data[count:], sound(subsets[row // 4], row % 4))
            assert data[:count].tolist() == tokenizer.encode(TEXTS[row % 4])
    assert len(list((made / "train").glob("shard_*"))) > 3


def test_tokenizer(made, tmp_path):
    """The same lines give the same model; one that is given is used instead."""
    expected = Store.open(made).read_file(TOKENIZER)
    assert train_unigram(TEXTS, VOCAB_SIZE) == expected
    assert len(Tokenizer(expected)) == VOCAB_SIZE
    other = train_unigram(["THE CAT AND A DOG'S DOG AND", "CATS AND A DOG"], VOCAB_SIZE)
    raw_dir = write(tmp_path / "raw")
    (raw_dir / TOKENIZER).write_bytes(other)
    dataset().preprocess(raw_dir, tmp_path / "store")
    assert Store.open(tmp_path / "store").read_file(TOKENIZER) == other != expected
    for content, message in ((b"no model", "is no tokenizer"), (train_unigram(TEXTS, 16), "has 16 pieces, but")):
        (raw_dir / TOKENIZER).write_bytes(content)
        with pytest.raises(DataError, match=message):
            dataset().preprocess(raw_dir, tmp_path / "other")
    with pytest.raises(DataError, match="No tokenizer of 1024 pieces can be trained"):
        train_unigram(TEXTS, 1024)


def test_too_long_utterances_are_skipped(tmp_path):
    """20 seconds are not, and one sample more is; so with characters."""

    def change(members: Members) -> None:
        names = sorted(name for name in members if name.endswith(".flac"))
        members[names[0]] = flac_of(sound("", 0, LONGEST))
        members[names[1]] = flac_of(sound("", 1, LONGEST + 1))
        texts = next(name for name in members if "101-7.trans" in name)
        text = "A" * (MOST_CHARACTERS - 1)
        members[texts] = f"101-7-0000 {text}A\n101-7-0001 {text}AA\n".encode()

    raw_dir = write(tmp_path / "raw", change)
    (raw_dir / TOKENIZER).write_bytes(train_unigram([*TEXTS, "A" * 300, "AAAA AAAA AAAA"], VOCAB_SIZE))
    dataset().preprocess(raw_dir, tmp_path / "store")
    reader = BlobReader(tmp_path / "store", "validation")
    assert len(reader) == 8 - 2
    lengths = [len(reader.read(row)) // 2 - int(reader.fields["num_tokens"][row]) for row in range(len(reader))]
    assert max(lengths) == LONGEST


def replaced(part: str, edit: Callable[[bytes], bytes]) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        name = next(name for name in members if part in name)
        members[name] = edit(members[name])

    return change


def renamed(part: str, to: str) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        name = next(name for name in members if part in name)
        members[name.replace(part, to)] = members.pop(name)

    return change


def stereo(content: bytes) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros((100, 2), np.int16), 16_000, format="FLAC")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced("100-0-0001.flac", lambda data: data[: len(data) // 2]), r"100-0-0001\.flac is damaged"),
        (replaced("100-0-0001.flac", lambda data: data[:-20] + bytes(20)), r"100-0-0001\.flac is damaged"),
        (replaced("100-0-0001.flac", lambda data: b""), r"100-0-0001\.flac is damaged"),
        (replaced("100-0-0001.flac", lambda data: b"no sound"), r"100-0-0001\.flac is damaged"),
        (replaced("100-0-0001.flac", stereo), r"is damaged: it holds .* expected FLAC, 16 bits, 1 channel, 16000 Hz"),
        (renamed("100-0-0001.flac", "100-0-0009.flac"), r"trans\.txt has no line for .*100-0-0009\.flac"),
        (lambda members: members.pop(next(name for name in members if "100-0-0001" in name)), "0001.flac is missing"),
        (
            replaced("100-0.trans", lambda data: data.splitlines(keepends=True)[0]),
            r"100-0\.trans\.txt has no line for .*100-0-0001\.flac",
        ),
        (replaced("100-0.trans", lambda data: data + data), r"100-0\.trans\.txt, line 3, is '100-0-0000 THE CAT'"),
        (replaced("100-0.trans", lambda data: b"100-0-0000\n"), r"100-0\.trans\.txt, line 1, is '100-0-0000', not"),
        (replaced("100-0.trans", lambda data: b"\xff\xfe"), r"100-0\.trans\.txt cannot be read"),
        (
            lambda members: [members.pop(name) for name in list(members) if "/101/" in name],
            "has transcripts of 2 utterances, but dev-other has 4",
        ),
    ],
    ids=["cut", "overwritten", "empty", "text", "stereo", "renamed", "no recording", "no line", "twice", "no text",
         "encoding", "chapter"],
)  # fmt: skip
def test_wrong_files_are_named(tmp_path, change, message):
    raw_dir = write(tmp_path / "raw", change)
    with pytest.raises(DataError, match=message):
        dataset().preprocess(raw_dir, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_missing_and_damaged_archives(tmp_path):
    raw_dir = write(tmp_path / "raw")
    archive = raw_dir / raw.archive_name("test-clean")
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"test-clean\.tar\.gz cannot be unpacked"):
        dataset().preprocess(raw_dir, tmp_path / "store")
    archive.unlink()
    with pytest.raises(DataError, match=r"test-clean\.tar\.gz is not there.*`download`"):
        dataset().preprocess(raw_dir, tmp_path / "store")
    archive.write_bytes(content)  # what was unpacked before is used
    dataset().preprocess(raw_dir, tmp_path / "store")
    assert Store.open(tmp_path / "store").num_examples("test") == 4


def test_too_many_tokens(tmp_path):
    raw_dir = write(tmp_path / "raw")
    small = LibriSpeech(num_tokens=2, vocab_size=VOCAB_SIZE, num_utterances=dict.fromkeys(SUBSETS, 4))
    with pytest.raises(DataError, match=r"\.flac has \d+ tokens, but batches have room for 2"):
        small.preprocess(raw_dir, tmp_path / "store")


def test_published_archives():
    """61 GB, and as many utterances as published."""
    assert {file.name for file in raw.ARCHIVES} == {raw.archive_name(subset) for subset in SUBSETS}
    assert sum(file.num_bytes for file in raw.ARCHIVES) == 61_029_185_188
    assert sum(raw.NUM_UTTERANCES.values()) == 289_428
    assert all(len(file.sha256) == 64 for file in raw.ARCHIVES)


def test_miniature(prepare, tmp_path):
    """As many utterances as the workloads say, all with as many frames as their tokens need; two are too long."""
    opened_mini = LIBRISPEECH_MINI.open(dataset_dir(prepare(LIBRISPEECH_MINI, "mini"), LIBRISPEECH_MINI, "mini"))
    for split, count in {"train": 2_000, "validation": 250, "test": 250}.items():
        assert opened_mini.num_examples(split) == count
        name = "eval_train" if split == "train" else split
        [batch] = opened_mini.evaluation(name, num_examples=count, batch_size=count, shard=Shard(), seed=0)
        frames = np.minimum(-(-batch["inputs"].lengths // 160), num_frames(LIBRISPEECH_MINI.num_samples))
        for _ in range(2):
            frames = -(-frames // 2)
        tokens = batch["targets"]
        repeats = (tokens.values[:, 1:] == tokens.values[:, :-1]) & (tokens.values[:, 1:] > 0)
        assert (frames >= tokens.lengths + repeats.sum(axis=1)).all()
    assert sum(LIBRISPEECH_MINI.num_utterances.values()) == 2_000 + 250 + 250 + 2
    name = raw.archive_name("dev-clean")
    (tmp_path / name).write_bytes(b"another")
    with pytest.raises(UserError, match="holds something else than the miniature"):
        LIBRISPEECH_MINI.miniature(tmp_path)


# --- batches --------------------------------------------------------------------------------------------------


def opened(made: Path, num_workers: int = 0) -> OpenLibriSpeech:
    return OpenLibriSpeech(made, Limits(3_000, 16), lambda: WorkerPool(num_workers))


def content(batch) -> list[np.ndarray]:
    """Copies of values and lengths."""
    return [array.copy() for value in batch.values() for array in (value.values, value.lengths)]


def test_training_batches_do_not_depend_on_workers_or_shards(made):
    alone = opened(made).training(seed=3, batch_size=6, shard=Shard())
    with_workers = opened(made, 2).training(seed=3, batch_size=6, shard=Shard())
    halves = [opened(made).training(seed=3, batch_size=6, shard=Shard(index, 2)) for index in range(2)]
    for position in range(5):
        expected = content(alone.batch(position))
        assert [part.dtype for part in expected] == [np.int16, np.int32, np.int16, np.int32]
        for found, part in zip(content(with_workers.batch(position)), expected, strict=True):
            np.testing.assert_array_equal(found, part)
        for *found, part in zip(*(content(half.batch(position)) for half in halves), expected, strict=True):
            np.testing.assert_array_equal(np.concatenate(found), part)


def test_an_epoch_has_every_utterance_once(made):
    batches = opened(made).training(seed=0, batch_size=6, shard=Shard())
    lengths = np.concatenate([batches.batch(number)["inputs"].lengths for number in range(2)])
    expected = [len(sound(subset, number)) for subset in raw.SUBSETS["train"] for number in range(4)]
    assert sorted(lengths.tolist()) == sorted(expected)


@pytest.mark.parametrize("num_shards", [1, 2, 4, 8])
def test_evaluations_have_every_utterance_once(made, num_shards):
    """Behind the ends of rows, and in rows of padding, there are zeros."""
    lengths = []
    for index in range(num_shards):
        shard = Shard(index, num_shards)
        for batch in opened(made).evaluation("validation", num_examples=8, batch_size=16, shard=shard, seed=0):
            samples, tokens = batch["inputs"], batch["targets"]
            np.testing.assert_array_equal(batch["weights"], batch["real"])
            assert not samples.lengths[~batch["real"]].any()
            for padded in (samples, tokens):
                behind = np.arange(padded.values.shape[1]) >= padded.lengths[:, np.newaxis]
                assert not padded.values[behind].any()
            lengths += samples.lengths[batch["real"]].tolist()
    assert lengths == [len(sound(subset, number)) for subset in raw.SUBSETS["validation"] for number in range(4)]


def test_read_flac_checks_the_whole_recording(tmp_path):
    """Damage that the decoder lets pass is found by the MD5 in the file."""
    path = tmp_path / "x.flac"
    path.write_bytes(flac_of(sound("", 0)))
    np.testing.assert_array_equal(read_flac(path), sound("", 0))
    data = bytearray(path.read_bytes())
    data[30] ^= 1  # a byte of the MD5 itself
    path.write_bytes(data)
    with pytest.raises(DataError, match="MD5 differs"):
        read_flac(path)
