"""The files of a state: data only, hostile or damaged ones are refused, and arrays are read one at a time."""

import json
import sys
import weakref

import numpy as np
import pytest

from algoperf.checkpoint.tree import NumpyCodec
from algoperf.errors import AlgoperfError, CheckpointMismatch


def data(value: object) -> dict:
    return {"value": value}


HOSTILE = {
    "Popen as namedtuple": {"namedtuple": "subprocess.Popen", "items": {"args": data("touch /tmp/x")}, "number": 9},
    "Popen as object": {"object": "subprocess.Popen", "attributes": {"pid": data(1)}, "number": 9},
    "eval": {"object": "builtins.eval", "attributes": {"x": data("1")}, "number": 9},
    "type": {"object": "builtins.type", "attributes": {}, "number": 9},
    "closes files": {"object": "tempfile._TemporaryFileCloser", "attributes": {"name": data("x")}, "number": 9},
    "harness": {"object": "algoperf.checkpoint.tree.Encoder", "attributes": {}, "number": 9},
    "library": {"object": "logging.Filter", "attributes": {"name": data("x")}, "number": 9},
    "tuple": {"namedtuple": "builtins.tuple", "items": {}, "number": 9},
    "mapping": {"dict": [], "kind": "os._Environ", "number": 9},
    "enum": {"enum": "subprocess.Popen", "member": "x"},
    "generator": {"generator": "numpy.random.Generator", "state": {"dict": [[data("bit_generator"), data("seed")]],
                  "kind": "builtins.dict", "number": 8}, "number": 9},
    "function": {"function": "system", "cells": {}, "attributes": {}, "number": 9},
    "class": {"object": "algoperf_submission.submission.Closing", "attributes": {}, "number": 9},
    "not loaded": {"object": "antigravity.X", "attributes": {}, "number": 9},
    "own type": {"object": "algoperf_submission.submission.Tracker", "attributes": {"__class__": data(1)},
                 "number": 9},
    "stateful": {"stateful": "x.Y", "state_dict": {"dict": [], "kind": "builtins.dict"}, "attributes": {},
                 "number": 9},
}  # fmt: skip


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("node", HOSTILE.values(), ids=HOSTILE)
def test_no_code_runs_however_the_file_is_made(files, node, monkeypatch):
    import logging
    import tempfile

    assert tempfile._TemporaryFileCloser
    assert logging.Filter, "the attacker's classes are there"
    for name in ("Popen.__init__", "Popen.__del__"):
        monkeypatch.setattr(f"subprocess.{name}", lambda *_, **__: pytest.fail("code ran"), raising=False)
    modules = set(sys.modules)
    files.save({"x": 1})
    files.edit(lambda _: {"dict": [[data("x"), node]], "kind": "builtins.dict", "number": 7})
    with pytest.raises(CheckpointMismatch):
        files.restore({"x": None})
    assert set(sys.modules) == modules


@pytest.mark.parametrize("node", [{"decode": 1}, {}, {"array": "nothing", "codec": "numpy"}, [], {"same": []}])
def test_a_tree_that_makes_no_sense_is_called_damaged(files, node):
    files.save({"x": 1})
    files.edit(lambda _: {"dict": [[data("x"), node]], "kind": "builtins.dict", "number": 7})
    with pytest.raises(AlgoperfError, match=r"checkpoint_1 is damaged"):
        files.restore({"x": None})


def test_each_array_is_read_when_its_turn_comes(files):
    """So that a state never takes the memory of its whole file, beside its own."""
    read: list[weakref.ref[np.ndarray]] = []

    class Watching(NumpyCodec):
        def decode(self, array, info, template):
            assert all(earlier() is None for earlier in read), "an earlier array of the file is still there"
            read.append(weakref.ref(array))
            return super().decode(array, info, template)

    state = {name: np.full(1000, number, np.complex128) for number, name in enumerate("abc")}
    files.save(state)
    files.backend.codecs["numpy"] = Watching()
    restored = files.restore(dict.fromkeys("abc"))
    assert len(read) == 3
    assert all((restored[name] == state[name]).all() for name in state)


def test_the_files_are_data_only(files, own):
    path = files.save({"f": own.counting(1), "t": own.Tracker(np.zeros(2)), "n": np.random.default_rng(0)})
    assert {file.name for file in path.iterdir()} == {
        "manifest.json", "model.json", "model.safetensors", "process_0.json", "process_0.safetensors",
    }  # fmt: skip
    for file in path.glob("*.json"):
        json.loads(file.read_text())
