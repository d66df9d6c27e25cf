"""Golden files of models with a table of millions of rows, repeated with the few rows that matter.

A batch looks up some rows. The others do not change the outputs, and their gradients are zero. So the model is built
with a table of those rows alone, and the ids of the batch are changed to match. The values of all rows are drawn, in
pieces, because those of the last row depend on how many came before.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import golden
from algoperf.workload.definition import WorkloadDefinition

_LARGE = 1_000_000  # rows
_SMALL_VOCABULARY = 65_536
_ROWS_AT_ONCE = 1 << 13  # so many stay in the caches
_NUM_CHUNKS = 4  # parts of the table in PyTorch, of equally many rows
_FIRST_ID = 13  # column of the inputs
Entries = list[dict[str, Any]]


def has_table(entries: Entries) -> bool:
    """Whether there is such a table among the parameters."""
    return any(_is_table(entry) for entry in entries)


def _is_table(entry: dict[str, Any]) -> bool:
    return bool(entry["shape"]) and entry["shape"][0] > _LARGE


def shrunk(info: dict[str, Any], definition: WorkloadDefinition) -> tuple[dict[str, Any], WorkloadDefinition]:
    """A file of parameters, and the definition, with a smaller table of the same distribution."""
    model = definition.model
    factor = model["vocab_size"] // _SMALL_VOCABULARY
    changed = {
        "vocab_size": _SMALL_VOCABULARY,
        "embedding_init_multiplier": model["embedding_init_multiplier"] or model["vocab_size"] ** -0.5,
    }
    entries = [
        {**entry, "shape": [entry["shape"][0] // factor, *entry["shape"][1:]]} if _is_table(entry) else entry
        for entry in info["params"]
    ]
    num_params = sum(int(np.prod(entry["shape"])) for entry in entries)
    return {**info, "params": entries, "num_params": num_params}, definition.with_fields({"model": changed})


class UsedRows:
    """The rows of a table that a batch looks up, and perhaps some more, equally many from each part of the table."""

    def __init__(self, entries: Entries, inputs: np.ndarray) -> None:
        self._shapes = {entry["name"]: tuple(entry["shape"]) for entry in entries if _is_table(entry)}
        self._vocab_size = sum(shape[0] for shape in self._shapes.values())
        chunk_rows = self._vocab_size // _NUM_CHUNKS
        used = np.unique(self._ids(inputs))
        parts = [used[used // chunk_rows == number] for number in range(_NUM_CHUNKS)]
        count = max(map(len, parts))
        more = (np.setdiff1d(np.arange(2 * count) + number * chunk_rows, used) for number in range(_NUM_CHUNKS))
        self._rows = np.concatenate([np.append(*both)[:count] for both in zip(parts, more, strict=True)])

    def _ids(self, inputs: np.ndarray) -> np.ndarray:
        ids: np.ndarray = inputs[:, _FIRST_ID:].astype(np.int64) % self._vocab_size
        return ids

    def applied(self, definition: WorkloadDefinition) -> WorkloadDefinition:
        """The definition with a table of these rows."""
        return definition.with_fields({"model": {"vocab_size": len(self._rows)}})

    def renumbered(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The batch with ids of these rows."""
        inputs = arrays["inputs"].copy()
        order = np.argsort(self._rows)
        inputs[:, _FIRST_ID:] = order[np.searchsorted(self._rows, self._ids(inputs), sorter=order)]
        return {**arrays, "inputs": inputs}

    def weights(self, entries: Entries, seed: int) -> dict[str, np.ndarray]:
        """Values of all parameters, of the table these rows."""
        found = golden.weights([entry for entry in entries if not _is_table(entry)], seed)
        for name, shape in self._shapes.items():
            scale = np.float32((np.prod(shape) / max(shape)) ** -0.5)
            found[name] = self._drawn(name, seed)[0] * scale
        return {entry["name"]: found[entry["name"]] for entry in entries}

    def probe(self, name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
        """The factor for the gradient of a parameter, see `golden.probe`."""
        return (
            self._drawn(name, seed)[1].astype(np.float64) if name in self._shapes else golden.probe(name, shape, seed)
        )

    def _drawn(self, name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
        names = list(self._shapes)
        parts = np.split(self._rows, len(names))
        first = names.index(name) * self._shapes[name][0]
        rows = parts[names.index(name)] - first
        return _draws(name, self._shapes[name], seed, tuple(rows.tolist()))


@functools.lru_cache(maxsize=32)
def _draws(name: str, shape: tuple[int, int], seed: int, rows: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Some rows of the first and of the second draw of all rows, float32."""
    generator, wanted = golden.generator(name, seed), np.array(rows)
    both = np.empty((2, len(rows), shape[1]), np.float32)
    piece = np.empty((_ROWS_AT_ONCE, shape[1]), np.float32)
    for draw in both:
        for start in range(0, shape[0], _ROWS_AT_ONCE):
            values = generator.standard_normal(dtype=np.float32, out=piece[: shape[0] - start])
            here = (wanted >= start) & (wanted < start + len(values))
            draw[here] = values[wanted[here] - start]
    return both[0], both[1]
