"""What can be a submission's state, its bytes and times: the harness's encoder compared with a pickle.

Both save and restore the states of `submission_states.py`; then the restored and the original state go on side by
side.
The pickle (`pickled_state.py`) needs the package cloudpickle, which the harness itself does not use. The second table
has mnist with the state of NAdamW, in memory, in turns.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import numpy as np
import pickled_state
import safetensors.numpy
from pickled_state import CODECS
from submission_states import STATES, Made

from algoperf.checkpoint.tree import Decoder, Encoder
from checkpoint import trained


class ByEncoder:
    """The harness's way: a JSON tree, arrays, and what `init_optimizer_state` makes as a template."""

    @staticmethod
    def save(model: Any, state: Any) -> list[bytes]:
        """Tree and arrays of the model, then of the state."""
        encoder = Encoder(CODECS)
        trees = [encoder.tree(model), encoder.tree(state)]
        return [part for node, arrays in trees for part in (json.dumps(node).encode(), stored(arrays))]

    @staticmethod
    def restore(files: list[bytes], model: Any, template: Any) -> tuple[Any, Any]:
        """Model and state, made from newly made ones."""
        decoder = Decoder(CODECS)
        model = decoder.tree(json.loads(files[0]), safetensors.numpy.load(files[1]), model)
        return model, decoder.tree(json.loads(files[2]), safetensors.numpy.load(files[3]), template)


class ByPickle:
    """The model as above; the state as a pickle that refers to arrays and to what the resumed run already has."""

    @staticmethod
    def save(model: Any, state: Any) -> list[bytes]:
        """Tree and arrays of the model, then pickle and arrays of the state."""
        node, arrays = Encoder(CODECS).tree(model)
        saver = pickled_state.Saver(model)
        saver.dump(state)
        return [json.dumps(node).encode(), stored(arrays), saver.file.getvalue(), stored(saver.arrays)]

    @staticmethod
    def restore(files: list[bytes], model: Any, template: Any) -> tuple[Any, Any]:
        """Model and state; only the model is made from a newly made one."""
        del template
        model = Decoder(CODECS).tree(json.loads(files[0]), safetensors.numpy.load(files[1]), model)
        return model, pickled_state.Loader(files[2], safetensors.numpy.load(files[3]), model).load()


def stored(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays as a safetensors file."""
    return safetensors.numpy.save(
        {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    )


def outcome(make: Callable[[int], Made], way: Any) -> tuple[str, str]:
    """How the restored state goes on, and whether it is saved again as the same bytes."""
    (model, state, step), (new_model, template, new_step) = make(0), make(1)
    for number in range(3):
        step(model, state, number)
    try:
        files = way.save(model, state)
        new_model, restored = way.restore(files, new_model, template)
        again = way.save(new_model, restored)
    except Exception as error:
        return f"refused: {type(error).__name__}: {error}"[:100].replace("\n", " "), ""
    values = [[go(*pair, number) for number in (3, 4)] for go, *pair in
              ((step, model, state), (new_step, new_model, restored))]  # fmt: skip
    return ("same" if values[0] == values[1] else "**wrong, unnoticed**"), ("yes" if again == files else "no")


def compared() -> list[dict[str, Any]]:
    """One row per state."""
    rows = []
    for make in STATES:
        results = {way.__name__: outcome(make, way) for way in (ByEncoder, ByPickle)}
        rows.append({
            "state": make.__doc__, "encoder": results["ByEncoder"][0], "pickle": results["ByPickle"][0],
            "encoder: same bytes again": results["ByEncoder"][1], "pickle: same bytes again": results["ByPickle"][1],
        })  # fmt: skip
    return rows


def measured(framework: str, repetitions: int) -> dict[str, Any]:
    """Bytes of the state without the model, and milliseconds, of both ways in turns."""
    with tempfile.TemporaryDirectory(dir=common.ROOT / "build") as folder:
        snapshot, backend, _ = trained(framework, Path(folder))
    model, state = backend.bare_model(snapshot.training.params), snapshot.training.optimizer_state
    seconds: dict[str, list[float]] = {}
    row: dict[str, Any] = {"framework": framework}
    for _ in range(repetitions):
        for name, way in (("encoder", ByEncoder), ("pickle", ByPickle)):
            begin = time.perf_counter()
            files = way.save(model, state)
            middle = time.perf_counter()
            restored = way.restore(files, model, state)
            backend.wait(restored)
            seconds.setdefault(f"save, {name}", []).append(middle - begin)
            seconds.setdefault(f"restore, {name}", []).append(time.perf_counter() - middle)
            row[f"bytes, {name}: arrays / rest"] = f"{len(files[3]):,} / {len(files[2]):,}"
    row |= {f"{what}, ms": statistics.median(values) * 1e3 for what, values in seconds.items()}
    for what in ("save", "restore"):
        pairs = zip(seconds[f"{what}, pickle"], seconds[f"{what}, encoder"], strict=True)
        ratios = [one / other for one, other in pairs]
        row[f"{what}, pickle / encoder"] = f"{statistics.median(ratios):.2f} ({common.spread(ratios, 2)})"
    return row


def main() -> None:
    """Compare what the two can save, then bytes and times."""
    options = common.parser(__doc__).parse_args()
    rows = compared()
    common.report("States that are restored and go on", rows, options.json)
    common.prepare("mnist")
    costs = [measured(framework, 5 if options.quick else 30) for framework in common.FRAMEWORKS]
    common.report("mnist with NAdamW (medians)", costs, options.json and options.json.with_suffix(".costs.json"))


if __name__ == "__main__":
    main()
