"""The types of all published parameters, by their names alone: no cube is needed."""

import pytest

import golden
from algoperf.workload.param_types import jax_param_types, torch_param_type

FILES = golden.names("params/*.json")


def test_golden_files_are_found():
    assert {golden.read(name)["framework"] for name in FILES} == {"jax", "pytorch"}


@pytest.mark.parametrize("file", FILES)
def test_types(file):
    info = golden.read(file)
    expected = {entry["name"]: entry["type"] for entry in info["params"]}
    found = _jax_types(expected) if info["framework"] == "jax" else {n: torch_param_type(n).name for n in expected}
    assert found == expected


def _jax_types(names) -> dict[str, str]:
    tree = {}
    for name in names:
        *path, leaf = name.split("/")
        inner = tree
        for part in path:
            inner = inner.setdefault(part, {})
        inner[leaf] = None
    types = jax_param_types(tree)

    def lookup(name: str) -> str:
        value = types
        for part in name.split("/"):
            value = value[part]
        return value.name

    return {name: lookup(name) for name in names}
