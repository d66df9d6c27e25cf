import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from algoperf.data.store.store import Store, create_store, store_exists
from algoperf.errors import DataError, UserError

TRAIN = {
    "inputs": np.random.default_rng(0).integers(256, size=(10, 4, 3), dtype=np.uint8),
    "targets": np.arange(10, dtype=np.int64),
}
TEST = {"inputs": TRAIN["inputs"][:2], "targets": TRAIN["targets"][:2]}


def make_store(directory: Path, chunks: tuple[int, ...] = ()) -> Path:
    with create_store(directory, dataset="toy") as writer:
        for first, last in zip((0, *chunks), (*chunks, 10), strict=True):
            writer.append("train", {field: array[first:last] for field, array in TRAIN.items()})
        writer.append("test", TEST)
    return directory


def write_train(directory: Path, *chunks: dict[str, np.ndarray]) -> None:
    with create_store(directory, dataset="toy") as writer:
        for rows in chunks:
            writer.append("train", rows)


@pytest.fixture
def directory(tmp_path) -> Path:
    return make_store(tmp_path / "store")


def edit_manifest(directory: Path, **changes: object) -> None:
    path = directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_round_trip(directory):
    store = Store.open(directory, dataset="toy")
    assert store.splits == ("train", "test")
    assert (store.num_examples("train"), store.num_examples("test")) == (10, 2)
    train = store.split("train")
    assert isinstance(train["inputs"], np.memmap)
    assert not train["inputs"].flags.writeable
    for field, array in TRAIN.items():
        np.testing.assert_array_equal(train[field], array, strict=True)
    store.warm()
    store.verify()


def test_files_are_ordinary_npy(directory):
    np.testing.assert_array_equal(np.load(directory / "train" / "inputs.npy"), TRAIN["inputs"], strict=True)


@pytest.mark.parametrize("chunks", [(1,), (3, 3, 9), tuple(range(1, 10))])
def test_chunks_make_the_same_files_as_whole_arrays(directory, tmp_path, chunks):
    chunked = make_store(tmp_path / "chunked", chunks)
    assert (chunked / "manifest.json").read_bytes() == (directory / "manifest.json").read_bytes()
    assert (chunked / "train" / "inputs.npy").read_bytes() == (directory / "train" / "inputs.npy").read_bytes()


def test_non_contiguous_rows(tmp_path):
    array = np.arange(24).reshape(4, 6).T
    write_train(tmp_path / "store", {"x": array})
    np.testing.assert_array_equal(Store.open(tmp_path / "store").split("train")["x"], array)


def test_hash_is_that_of_the_content(directory, tmp_path):
    lines = "".join(
        f"{name} {hashlib.sha256((directory / name).read_bytes()).hexdigest()}\n"
        for name in ("test/inputs.npy", "test/targets.npy", "train/inputs.npy", "train/targets.npy")
    )
    assert Store.open(directory).hash == hashlib.sha256(lines.encode()).hexdigest()
    with create_store(tmp_path / "other", dataset="toy") as writer:
        writer.append("train", TRAIN)
        writer.append("test", {**TEST, "targets": TEST["targets"] + 1})
    assert Store.open(tmp_path / "other").hash != Store.open(directory).hash


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"inputs": TRAIN["inputs"], "targets": TRAIN["targets"][:9]}, "same number of examples"),
        ({"inputs": TRAIN["inputs"]}, "has the fields"),
        ({**TRAIN, "targets": TRAIN["targets"].astype(np.int32)}, "holds rows of int64"),
        ({**TRAIN, "inputs": TRAIN["inputs"][:, :3]}, r"holds rows of uint8 \(4, 3\)"),
    ],
)
def test_rows_that_do_not_fit(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        write_train(tmp_path / "store", TRAIN, rows)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"x": np.array([{}])}, "Python objects"),
        ({"../x": np.zeros(3)}, "file name"),
    ],
)
def test_what_cannot_be_stored(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        write_train(tmp_path / "store", rows)
    assert list(tmp_path.iterdir()) == []


def test_a_split_without_examples_is_a_mistake_of_the_raw_data(tmp_path):
    with pytest.raises(DataError, match="give the split 'train' no example"):
        write_train(tmp_path / "store", {"x": np.empty((0, 3))})
    assert list(tmp_path.iterdir()) == []


def test_manifest_of_a_store_without_other_files_is_pinned(directory):
    """Stores that exist keep their hashes, and are read by older programs."""
    content = (directory / "manifest.json").read_bytes()
    assert json.loads(content)["hash"] == "d1a4ee61f672c95f9dffbedfc36930a460e6d80d23cd7161feea5671afcd845d"
    assert hashlib.sha256(content).hexdigest() == "f7f4f23ec44f4060e893243d911c44dea6f7ddddd783835f30407643c5c0c376"


@pytest.fixture
def with_files(tmp_path) -> Path:
    with create_store(tmp_path / "with_files", dataset="toy") as writer:
        writer.add_file("tokenizer.model", b"\x00pieces")
        writer.append("train", TRAIN)
        writer.add_file("words.txt", b"")
    return tmp_path / "with_files"


def test_other_files(with_files, tmp_path):
    store = Store.open(with_files, dataset="toy")
    assert store.read_file("tokenizer.model") == b"\x00pieces"
    assert store.read_file("words.txt") == b""
    assert store.splits == ("train",)
    store.warm()
    store.verify()
    entry = json.loads((with_files / "manifest.json").read_text())["files"]["files/tokenizer.model"]
    assert entry == {"sha256": hashlib.sha256(b"\x00pieces").hexdigest(), "num_bytes": 7}
    with create_store(tmp_path / "other", dataset="toy") as writer:
        writer.append("train", TRAIN)
        writer.add_file("tokenizer.model", b"\x00Pieces")
        writer.add_file("words.txt", b"")
    assert Store.open(tmp_path / "other").hash != store.hash


def test_other_files_that_are_missing_or_damaged(with_files):
    store, path = Store.open(with_files), with_files / "files" / "tokenizer.model"
    with pytest.raises(DataError, match=r"Unknown file 'tokeniser\.model'\. Did you mean 'tokenizer\.model'\? Allowed"):
        store.read_file("tokeniser.model")
    path.write_bytes(b"\x00peices")
    for read in (store.verify, lambda: store.read_file("tokenizer.model")):
        with pytest.raises(DataError, match=r"files/tokenizer\.model has SHA-256"):
            read()
    path.unlink()
    with pytest.raises(DataError, match=r"files/tokenizer\.model is unreadable.*algoperf preprocess"):
        store.read_file("tokenizer.model")
    with pytest.raises(DataError, match=r"files/tokenizer\.model is missing"):
        Store.open(with_files)


@pytest.mark.parametrize("name", ["", ".", "../x", "a/b", ".hidden", "a b"])
def test_names_of_other_files(tmp_path, name):
    with pytest.raises(ValueError, match="is no file name"), create_store(tmp_path / "store", dataset="toy") as writer:
        writer.add_file(name, b"x")
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_written_once_and_are_no_split(tmp_path):
    with create_store(tmp_path / "store", dataset="toy") as writer:
        writer.append("train", TRAIN)
        writer.add_file("x", b"x")
        with pytest.raises(ValueError, match="'x' has been added already"):
            writer.add_file("x", b"y")
        with pytest.raises(ValueError, match="no split can be called 'files'"):
            writer.append("files", TRAIN)
    assert Store.open(tmp_path / "store").read_file("x") == b"x"


def test_missing_store_names_the_command(tmp_path):
    with pytest.raises(DataError, match=rf"No dataset store at {tmp_path}.*`algoperf preprocess`"):
        Store.open(tmp_path)


def test_store_of_another_dataset(directory):
    with pytest.raises(DataError, match="holds the dataset 'toy', but 'mnist' is needed"):
        Store.open(directory, dataset="mnist")


def test_unknown_split(directory):
    with pytest.raises(UserError, match=r"'tset'.*Did you mean 'test'"):
        Store.open(directory).split("tset")


def test_missing_and_truncated_files_are_noticed_on_opening(directory):
    path = directory / "train" / "inputs.npy"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"train/inputs\.npy has \d+ bytes, expected \d+\. Remove the directory"):
        Store.open(directory)
    path.unlink()
    with pytest.raises(DataError, match=r"train/inputs\.npy is missing"):
        Store.open(directory)


def test_a_changed_byte_is_found_by_verify(directory):
    path = directory / "test" / "targets.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    store = Store.open(directory)
    with pytest.raises(DataError, match=r"test/targets\.npy has SHA-256"):
        store.verify()


def test_a_changed_header_is_found_on_reading(directory):
    path = directory / "test" / "targets.npy"
    path.write_bytes(path.read_bytes().replace(b"<i8", b"<f8"))
    with pytest.raises(DataError, match=r"test/targets\.npy holds float64 \(2,\), expected <i8"):
        Store.open(directory).split("test")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"dataset": "toy"}'])
def test_unreadable_manifest(directory, content):
    (directory / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=r"manifest\.json is unreadable"):
        Store.open(directory)


@pytest.mark.parametrize("changes", [{"splits": None}, {"files": {"a": {}}}, {"splits": {"train": {}}}])
def test_garbled_manifest(directory, changes):
    edit_manifest(directory, **changes)
    with pytest.raises(DataError, match=r"manifest\.json lacks or garbles"):
        Store.open(directory)


def test_manifest_of_another_version_or_hash(directory):
    edit_manifest(directory, hash="0" * 64)
    with pytest.raises(DataError, match="the hash in"):
        Store.open(directory).verify()
    edit_manifest(directory, format_version=2)
    with pytest.raises(DataError, match="format version 2, this program reads 1"):
        Store.open(directory)


def test_store_exists(directory, tmp_path):
    assert store_exists(directory)
    assert not store_exists(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    assert not store_exists(tmp_path / "empty")
    with pytest.raises(UserError, match="holds files that are not a dataset store"):
        store_exists(tmp_path)


WRITER = """
import sys
from pathlib import Path
import numpy as np
from algoperf.data.store.store import create_store
with create_store(Path(sys.argv[1]), dataset="toy") as writer:
    writer.append("train", {"x": np.zeros(100_000)})
    print("appended", flush=True)
    sys.stdin.readline()
"""


def start_writer(directory: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "appended\n"
    return process


def test_a_killed_writer_leaves_no_store(tmp_path):
    process = start_writer(tmp_path / "store")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not store_exists(tmp_path / "store")
    make_store(tmp_path / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_concurrent_writers_leave_one_valid_store(tmp_path):
    process = start_writer(tmp_path / "store")
    make_store(tmp_path / "store")
    process.communicate("\n")
    assert process.returncode == 0
    store = Store.open(tmp_path / "store")
    assert store.num_examples("train") == 10
    store.verify()
