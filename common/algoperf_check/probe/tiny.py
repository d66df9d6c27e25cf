"""Tiny workloads: ordinary definitions, one per loss of the scored workloads or form of its batches, on data in memory.

Together, their parameters cover all types, and their batches all forms but graphs: images, categories, packed rows of
tokens with a mask (B, length), tokens without a mask, samples with paddings, images with further fields. `names`
chooses the parameter names: the usual ones ("plain"), others ("renamed"), or others in the opposite order
("reordered"). Values and randomness are the same.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from algoperf.data.batches.arrays import StoredArrays
from algoperf.data.batches.seeding import keyed_generator
from algoperf.data.contracts import Batch, Padded
from algoperf.metrics.base import Evaluation
from algoperf.metrics.means import MeanOverExamples
from algoperf.spec import LossType
from algoperf.versions import Limits, Version
from algoperf.workload.definition import Examples, WorkloadDefinition
from algoperf.workload.loss import LossName

Names = Literal["plain", "renamed", "reordered"]
Arrays = dict[str, np.ndarray]
NUM_EXAMPLES = 64
BATCH_SIZE = 16
STEP_HINT = 100
_NUM_FRAMES, _NUM_LABELS = 12, 3
FRAME_SIZE = 5  # samples of speech that the model sees as one frame
_OTHER_TARGET_FACTOR = 1.01


@dataclass(frozen=True)
class Tiny:
    """One tiny workload.

    Attributes:
      task: its name in reports, and the name of its model.
      alias: the scored workload whose name and targets it uses when names are plain.
      loss_type: the loss.
      make: makes the stored arrays of a number of examples.
      dropout: default dropout rate; None if the model takes none.
      images: whether inputs are NHWC images.
      loss: the loss function; the one that `loss_type` names if None.
    """

    task: str
    alias: str
    loss_type: LossType
    make: Callable[[np.random.Generator, int], Arrays]
    dropout: float | None = None
    images: bool = False
    loss: LossName | None = None

    def definition(self, names: Names) -> WorkloadDefinition:
        """The workload, under the name of a scored one if names are plain, else under a meaningless name."""
        return WorkloadDefinition(
            name=self.alias if names == "plain" else f"w{len(self.task)}{ord(self.task[0])}",
            dataset=_Made(self),
            loss_type=self.loss_type,
            loss=self.loss,
            evaluation=Evaluation(step="mean_loss", accumulator=lambda dataset: MeanOverExamples()),
            examples=Examples(
                train=NUM_EXAMPLES,
                eval_train=NUM_EXAMPLES // 2,
                validation=NUM_EXAMPLES // 2,
                test=NUM_EXAMPLES // 2,
            ),
            eval_batch_size=NUM_EXAMPLES // 2,
            model={"task": self.task, "names": names},
            dropout=self.dropout,
            folder=Path(__file__).parent / "cube",
        )


class Heads:
    """A `Container` of the names of output layers, with any prefix or suffix."""

    def __contains__(self, name: object) -> bool:
        return "head" in str(name)


class _Store:
    """A store in memory."""

    hash = "made in memory"

    def __init__(self, splits: Mapping[str, Arrays]) -> None:
        self._splits = splits

    def num_examples(self, split: str) -> int:
        """Number of examples of a split."""
        return len(next(iter(self._splits[split].values())))

    def split(self, name: str) -> Arrays:
        """The fields of a split."""
        return self._splits[name]

    def warm(self) -> None:
        """The data is already in memory."""


class _Made:
    """A dataset without files."""

    input_stats = None
    num_classes = None

    def __init__(self, tiny: Tiny) -> None:
        self.name = tiny.task
        self._make = tiny.make

    def example_batch(self) -> Batch:
        """One example."""
        return _finish(self._make(keyed_generator("probe", self.name, "example"), 1))

    def download(self, raw_dir: Path) -> None:
        """There is nothing to fetch."""

    miniature = download

    def preprocess(self, raw_dir: Path, data_dir: Path) -> None:
        """There is nothing to prepare."""

    def open(self, data_dir: Path) -> StoredArrays:
        """Return the same data at every call."""
        del data_dir
        counts = {"train": NUM_EXAMPLES, "validation": NUM_EXAMPLES // 2, "test": NUM_EXAMPLES // 2}
        splits = {
            split: self._make(keyed_generator("probe", self.name, split), count) for split, count in counts.items()
        }
        return StoredArrays(_Store(splits), _finish)


def _finish(rows: Arrays) -> Batch:
    """Pair samples and labels with their lengths."""
    pairs = {name for name in rows if f"{name}_lengths" in rows}
    return {
        name: Padded(value, rows[f"{name}_lengths"]) if name in pairs else value
        for name, value in rows.items()
        if not name.endswith("_lengths")
    }


def _images(random: np.random.Generator, num_rows: int) -> Arrays:
    targets = random.integers(0, 4, num_rows).astype(np.int32)
    inputs = random.normal(size=(num_rows, 8, 8, 3)) + targets[:, None, None, None] / 2
    return {"inputs": inputs.astype(np.float32), "targets": targets}


def _clicks(random: np.random.Generator, num_rows: int) -> Arrays:
    numbers, categories = random.normal(size=(num_rows, 4)), random.integers(0, 12, (num_rows, 3))
    targets = (numbers[:, :1] + categories[:, :1] / 6 > 1).astype(np.float32)
    return {"inputs": np.concatenate([numbers, categories], axis=1).astype(np.float32), "targets": targets}


def _tokens(random: np.random.Generator, num_rows: int) -> Arrays:
    """Two sentences in a row, word by word translated, and padding; the fields are those of wmt."""
    ends = random.integers(1, 4, (num_rows, 2)).cumsum(axis=1)
    places = np.arange(6)
    segments = np.where(places < ends[:, :1], 1, 2 * (places < ends[:, 1:]))
    weights = segments > 0
    words = random.integers(1, 10, (num_rows, 6)) * weights
    position = np.where(segments == 2, places - ends[:, :1], places) * weights
    fields: Arrays = {}
    for side, tokens in (("inputs", words), ("targets", (words % 9 + 1) * weights)):
        fields |= {side: tokens, f"{side}_position": position, f"{side}_segmentation": segments}
    return {name: field.astype(np.int32) for name, field in {**fields, "weights": weights}.items()}


def _text(random: np.random.Generator, num_rows: int) -> Arrays:
    """Counting, in steps of one or two."""
    steps = random.integers(1, 3, (num_rows, 1))
    tokens = (random.integers(0, 10, (num_rows, 1)) + steps * np.arange(7)) % 10
    return {"inputs": tokens[:, :-1].astype(np.int32), "targets": tokens[:, 1:].astype(np.int32)}


def _speech(random: np.random.Generator, num_rows: int) -> Arrays:
    labels = random.integers(1, FRAME_SIZE + 1, (num_rows, _NUM_LABELS))
    frames = random.normal(size=(num_rows, _NUM_FRAMES, FRAME_SIZE)) * 0.3
    for place in range(_NUM_LABELS):
        frames[np.arange(num_rows), 1 + 3 * place, labels[:, place] - 1] += 2
    lengths = random.integers(9, _NUM_FRAMES + 1, num_rows)
    short = (random.random(num_rows) < 0.3).astype(np.float32)
    return {
        "inputs": frames.reshape(num_rows, -1).astype(np.float32),
        "inputs_lengths": FRAME_SIZE * lengths,
        "targets": labels.astype(np.float32),
        "targets_lengths": (_NUM_LABELS - short).astype(np.int64),
    }


def _pictures(random: np.random.Generator, num_rows: int) -> Arrays:
    """The fields are those of fastmri."""
    targets = np.cumsum(random.normal(size=(num_rows, 8, 8)), axis=2) / 3
    fields = {
        "inputs": targets + random.normal(size=targets.shape) / 3,
        "mean": random.normal(size=num_rows),
        "std": random.uniform(1, 2, num_rows),
        "targets": targets,
        "volume_max": random.uniform(3, 4, num_rows),
    }
    return {name: field.astype(np.float32) for name, field in fields.items()}


TINIES = (
    Tiny("images", "imagenet_resnet", LossType.SOFTMAX_CROSS_ENTROPY, _images, dropout=0.1, images=True),
    Tiny("clicks", "criteo1tb", LossType.SIGMOID_CROSS_ENTROPY, _clicks),
    Tiny("tokens", "wmt", LossType.SOFTMAX_CROSS_ENTROPY, _tokens, loss="tokens"),
    Tiny("text", "finewebedu_lm", LossType.SOFTMAX_CROSS_ENTROPY, _text, loss="tokens"),
    Tiny("speech", "librispeech_conformer", LossType.CTC_LOSS, _speech),
    Tiny("pictures", "fastmri", LossType.MEAN_ABSOLUTE_ERROR, _pictures, dropout=0.0),
)


def with_limits(version: Version, tiny: Tiny, definition: WorkloadDefinition) -> Version:
    """The version with limits for a tiny workload: the budget of the scored one, and an unreachable target.

    The metric is the loss. Under another name, the target differs slightly. A version that does not score the workload
    lends its limits at scale mini.
    """
    scored = version.limits(tiny.alias, "full" if "full" in version.table[tiny.alias] else "mini")
    factor = 1.0 if definition.name == tiny.alias else _OTHER_TARGET_FACTOR
    limits = Limits(
        metric="loss",
        goal="min",
        validation_target=-factor * abs(scored.validation_target),
        test_target=-factor * abs(scored.test_target or math.inf),
        max_runtime_sec=scored.max_runtime_sec,
        eval_period_sec=scored.eval_period_sec,
        step_hint=STEP_HINT,
    )
    return dataclasses.replace(version, table={**version.table, definition.name: {"full": limits}})
