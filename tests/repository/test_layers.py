"""The layers that CONTRIBUTING.md draws: a module imports from layers below its own only, types included."""

from __future__ import annotations

import graphlib
import re

import pytest

import import_graph
from places import REPOSITORY

# From the bottom up. Parts of one layer do not import each other.
LAYERS = (
    ("text",),
    ("_version", "errors", "make_words", "system", "spec", "random_utils", "waiting"),
    ("readers", "task"),
    ("seeds", "versions", "data", "tuning"),
    ("datasets", "metrics"),
    ("workload",),
    ("submission",),
    ("checkpoint",),
    ("frameworks",),
    ("jax_sharding_utils", "pytorch_utils"),
    ("blocks", "integrity", "records"),
    ("trial",),
    ("export", "reevaluate", "sequence", "smoke", "testing"),
    ("campaigns",),
    ("targets",),
    ("commands",),
    ("api",),
    ("cli",),
    ("container", "__main__"),
)
# (module, what it imports) -> what has to happen first.
EXCEPTIONS = {}
# What other packages may import of `algoperf`.
OF_SCORING = {"errors", "readers", "records", "submission", "text", "tuning", "versions"}
USERS_OF_CHECK = {"algoperf.commands.check", "algoperf.api.comparing"}

GRAPH = import_graph.graph()
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}


def part(module: str) -> str:
    """The part of the package `algoperf` that a module belongs to."""
    return module.split(".")[1]


def package(module: str) -> str:
    return module.split(".")[0]


def edges() -> list[tuple[str, str]]:
    return [(module, imported) for module, found in GRAPH.items() for imported in sorted(found)]


def test_every_part_has_a_layer():
    parts = {part(module) for module in GRAPH if module.startswith("algoperf.")}
    assert parts == set(LEVEL)


def test_modules_import_from_layers_below():
    upwards = {
        (module, imported)
        for module, imported in edges()
        if module.startswith("algoperf.")
        and imported.startswith("algoperf.")
        and part(module) != part(imported)
        and LEVEL[part(imported)] >= LEVEL[part(module)]
    }
    assert upwards == set(EXCEPTIONS)


def test_nothing_imports_in_a_circle():
    """No circle between modules, not even for types."""
    graphlib.TopologicalSorter(GRAPH).prepare()  # raises CycleError, which names the circle


def test_a_circle_is_found():
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter({**GRAPH, "algoperf.errors": {"algoperf.cli"}}).prepare()


def test_packages_know_each_other_as_they_should():
    """`algoperf` stands alone but for the commands; checks use it; scoring uses a few of its parts."""
    between = {(module, imported) for module, imported in edges() if package(module) != package(imported)}
    assert {module for module, imported in between if package(imported) == "algoperf_check"} == USERS_OF_CHECK
    users_of_scoring = {part(module) for module, imported in between if package(imported) == "algoperf_scoring"}
    assert users_of_scoring == {"api", "commands"}
    of_scoring = {part(imported) for module, imported in between if package(module) == "algoperf_scoring"}
    assert of_scoring <= OF_SCORING


def test_the_drawing_has_these_layers():
    """The drawing in CONTRIBUTING.md: one line per layer, from the top down."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    drawing = text.split("## Layers")[1].split("```")[1]
    drawn = [set(re.findall(r"[a-z_]+", line.split("  #")[0])) for line in drawing.strip().splitlines()[2:]]
    assert drawn == [set(parts) for parts in reversed(LAYERS)]
