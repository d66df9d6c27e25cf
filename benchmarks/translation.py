"""Translation on one core: packed rows of tokens, and beam search, each compared with a plain way.

Sentences are made of invented words, as long on average as real ones. Times are CPU times, so other load hardly
matters; the methods alternate within one run.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import common
import numpy as np

from algoperf.data.contracts import Shard
from algoperf.data.text.sentence_piece import Tokenizer, train_unigram
from algoperf.datasets.wmt.batches import PackedBatches
from algoperf.datasets.wmt.packing import spread
from algoperf.frameworks import load_backend
from algoperf.versions import load_version
from algoperf.workload import registry

ROOM, BATCH_SIZE, BATCHES = 256, 128, 10
NUM_WORDS, VOCAB_SIZE, WORDS_PER_SENTENCE = 3_000, 2_000, (3, 25)
Way = Callable[[], Any]


def main() -> None:
    """Measure, print, write."""
    parser = common.parser(__doc__)
    parser.add_argument("--full-model", action="store_true", help="search with the model of scale full too")
    parser.add_argument("--full-sentences", type=int, default=4, help="that it searches for")
    parser.add_argument("--full-length", type=int, default=32, help="their tokens")
    parser.add_argument("--frameworks", default=",".join(common.FRAMEWORKS), help="these only, separated by commas")
    parser.add_argument("--only-full", action="store_true", help="nothing but that search")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rounds, count = (1, 20_000) if arguments.quick else (3, 40_000)
    frameworks, rows = arguments.frameworks.split(","), []
    if not arguments.only_full:
        common.report(f"Packed rows of {count:,} pairs", _packing(count, rounds), arguments.json)
        rows += [row for framework in frameworks for row in _search(framework, "mini", 128, 32, rounds)]
    if arguments.full_model or arguments.only_full:
        full = ("full", arguments.full_sentences, arguments.full_length, 1)
        rows += [row for framework in frameworks for row in _search(framework, *full)]
    common.report("Beam search, 4 beams", rows, None)


def _cpu_seconds(ways: dict[str, Way], rounds: int) -> dict[str, float]:
    """Medians over the rounds, in which the ways alternate; each has run once before."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            begin = time.process_time()
            way()
            times[name].append(time.process_time() - begin)
    return {name: statistics.median(values) for name, values in times.items()}


# --- packed rows --------------------------------------------------------------------------------------------


def _texts(rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
    letters = np.array(list("abcdefghijklmnoprstuvwz"))
    words = np.array(["".join(rng.choice(letters, rng.integers(2, 11))) for _ in range(NUM_WORDS)])
    shares = 1 / np.arange(1, NUM_WORDS + 1)
    lengths = rng.integers(*WORDS_PER_SENTENCE, (count, 2))
    drawn = rng.choice(words, lengths.sum(), p=shares / shares.sum())
    sentences = [" ".join(part) for part in np.split(drawn, np.cumsum(lengths)[:-1])]
    return list(zip(sentences[::2], sentences[1::2], strict=True))


class _Streams:
    """Tokens as the store has them, in one array."""

    def __init__(self, pairs: list[tuple[np.ndarray, np.ndarray]], folder: Path) -> None:
        self.lengths = np.array([[len(side) for side in pair] for pair in pairs], np.int32).T.copy()
        self.known = self.lengths
        flat = np.concatenate([side for pair in pairs for side in pair])
        np.save(folder / "tokens.npy", flat)
        self._tokens = np.load(folder / "tokens.npy", mmap_mode="r")
        self._starts = np.append(0, np.cumsum(self.lengths.T.reshape(-1)))[:-1].reshape(-1, 2)

    def take(self, rows: np.ndarray, side: int, counts: np.ndarray) -> np.ndarray:
        """See `wmt.batches.Streams`."""
        return self._tokens[np.repeat(self._starts[rows, side], counts) + spread(counts)]


def _plain_rows(pairs: Iterator[tuple[Any, Any]]) -> Iterator[dict[str, np.ndarray]]:
    """Rows, pair by pair, as a straightforward generator makes them."""
    row: dict[str, np.ndarray] = {}
    used = [ROOM, ROOM]
    number = 0
    for place, pair in enumerate(pairs):
        if place % ROOM == 0 or any(start + len(side) > ROOM for start, side in zip(used, pair, strict=True)):
            if row:
                yield row
            names = [f"{side}{suffix}" for side in ("inputs", "targets") for suffix in ("", "_position", "_segment")]
            row, used, number = {name: np.zeros(ROOM, np.int32) for name in names}, [0, 0], 0
        number += 1
        for index, (name, side) in enumerate(zip(("inputs", "targets"), pair, strict=True)):
            part = slice(used[index], used[index] + len(side))
            row[name][part], row[f"{name}_position"][part], row[f"{name}_segment"][part] = (
                side,
                range(len(side)),
                number,
            )
            used[index] += len(side)


def _packing(count: int, rounds: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    texts = _texts(rng, count)
    tokenizer = Tokenizer(train_unigram((text for pair in texts[:5_000] for text in pair), VOCAB_SIZE))
    stored = [tuple(np.array(tokenizer.encode(text), np.uint16) for text in pair) for pair in texts]
    with tempfile.TemporaryDirectory() as folder:
        batches = PackedBatches(
            _Streams(stored, Path(folder)),  # type: ignore[arg-type]
            room=ROOM, seed=0, batch_size=BATCH_SIZE, shard=Shard(),
        )  # fmt: skip
        batches.prepare(0)
        made: list[int] = []

        def packed() -> None:
            position, made[:] = 0, []
            for _ in range(BATCHES):
                batch = batches.batch(position)
                made.append(int((batch["inputs"] > 0).sum() + (batch["targets"] > 0).sum()))
                position = batches.after(position)

        def plain(pairs: Iterator[tuple[Any, Any]]) -> None:
            rows = _plain_rows(pairs)
            for _ in range(BATCHES):
                batch = [next(rows) for _ in range(BATCH_SIZE)]
                {name: np.stack([row[name] for row in batch]) for name in batch[0]}

        ways: dict[str, Way] = {
            "here": packed,
            "a loop that packs stored tokens": lambda: plain(iter(stored)),
            "a loop that tokenises and packs": lambda: plain(
                (tokenizer.encode(german), tokenizer.encode(english)) for german, english in texts
            ),
        }
        seconds = _cpu_seconds(ways, rounds)
    return [
        {
            "rows": name,
            "tokens per CPU second": sum(made) / value,
            "ms per batch of 128": 1000 * value / BATCHES,
            "times the CPU time of ours": value / seconds["here"],
        }
        for name, value in seconds.items()
    ]


# --- beam search --------------------------------------------------------------------------------------------


class _Uncached:
    """Reads everything again for every token: a `Writer` around whole forward passes."""

    def __init__(self, forward: Callable[[Any], Any], shape: tuple[int, int, int]) -> None:
        import torch

        self._forward, self._shape = forward, shape
        self._written = torch.zeros(shape[0] * shape[1], shape[2], dtype=torch.long)

    def step(self, tokens: Any, position: int) -> Any:
        """Logits of the whole sequences so far, of which the last are used."""
        if position:
            self._written[:, position - 1] = tokens.flatten()
        return self._forward(self._written)[:, position].unflatten(0, self._shape[:2])

    def reorder(self, rows: Any, num_tokens: int) -> None:
        """Beams go on from others."""
        self._written = self._written[rows]


def _search(framework: str, scale: Any, num_rows: int, length: int, rounds: int) -> list[dict[str, Any]]:
    import torch

    from algoperf.frameworks.torch.beam_search import beam_search

    definition = registry.find_workload("wmt").at(scale)
    workload = load_backend(framework).bind(definition, load_version("v0.6").limits("wmt", scale))
    code, beams = registry.model_module(definition, framework), definition.model["num_beams"]  # type: ignore[arg-type]
    sources = np.random.default_rng(0).integers(3, definition.num_classes, (num_rows, length)).astype(np.int32)
    shape = (num_rows, beams, length)
    options = {"length_penalty": definition.model["length_penalty"], "end_id": -1}  # never ends: all steps are made
    if framework == "jax":
        import jax

        params, _ = workload.init_model_fn(jax.random.PRNGKey(0))
        code.END_ID = -1
        translate = jax.jit(lambda params, inputs: code.translate(workload._module, params, inputs, length))

        def cached() -> Any:
            return jax.block_until_ready(translate(params, sources))

        repeated = np.repeat(sources, beams, axis=0)
        logits = jax.jit(lambda params, targets: workload._module.apply(
            {"params": params}, repeated, targets, None, None, None, None, train=False, dropout_rate=0.0))  # fmt: skip

        def forward(written: Any) -> Any:
            return torch.from_numpy(np.array(logits(params, written.numpy())))
    else:
        model, _ = workload.init_model_fn(np.array([0, 0]))
        code.END_ID = -1
        inputs = torch.from_numpy(sources).long()

        def cached() -> Any:
            return model.eval().translate(inputs, length)

        repeated = inputs.repeat_interleave(beams, dim=0)

        def forward(written: Any) -> Any:
            return model.eval()(repeated, written)

    def plain() -> Any:
        return beam_search(_Uncached(forward, shape), shape, torch.device("cpu"), **options)

    with torch.no_grad():
        seconds = _cpu_seconds({"here": cached, "a loop without a cache": plain}, rounds)
    return [
        {
            "framework": framework,
            "model": scale,
            "sentences": num_rows,
            "search": name,
            "steps/s": (length - 1) / value,
            "tokens/s": num_rows * (length - 1) / value,
            "times the CPU time of ours": value / seconds["here"],
        }
        for name, value in seconds.items()
    ]


if __name__ == "__main__":
    main()
