"""Passes a state through the files of a checkpoint: saves it as `state`, restores it into `template`."""

import json
from pathlib import Path
from typing import Any

from algoperf import checkpoint
from algoperf.checkpoint.tree import LeafCodec, NumpyCodec


class LoneProcess:
    """The part of a backend that checkpoints need, with the codecs of one framework or both."""

    rank = 0
    num_processes = 1

    def __init__(self, *frameworks: str) -> None:
        self.codecs: dict[str, LeafCodec] = {"numpy": NumpyCodec()}
        if "torch" in frameworks:
            import torch

            from algoperf.frameworks.torch.codec import TorchCodec

            self.codecs = {"torch": TorchCodec(torch.device("cpu")), **self.codecs}
        if "jax" in frameworks:
            from algoperf.frameworks.jax.codec import JaxCodec

            self.codecs = {"jax": JaxCodec(), **self.codecs}

    def agree(self, *decisions: bool) -> tuple[bool, ...]:
        return decisions

    def gather(self, value: Any) -> list[Any]:
        return [value]


def _tree(model: Any) -> dict[str, Any]:
    return {"params": model, "model_state": None}


class Files:
    """Writes and reads checkpoints of one backend in one folder."""

    def __init__(self, directory: Path, *frameworks: str) -> None:
        self.directory = directory
        self.backend = LoneProcess(*frameworks)

    def save(self, state: Any, model: Any = None) -> Path:
        notes = {"fingerprint": {}, "trial": {}}
        return checkpoint.save(self.directory, 1, _tree(model), {"state": state}, notes, self.backend, "last")  # type: ignore[arg-type]

    def restore(self, template: Any, model: Any = None) -> Any:
        path = self.directory / "checkpoint_1"
        _, process = checkpoint.restore(path, _tree(model), {"state": template}, self.backend)  # type: ignore[arg-type]
        return process["state"]

    def through(self, state: Any, template: Any) -> Any:
        self.save(state)
        return self.restore(template)

    def edit(self, change: Any) -> None:
        """Apply `change` to the JSON tree of the state, as the author of a malicious checkpoint might."""
        file = self.directory / "checkpoint_1" / "process_0.json"
        content = json.loads(file.read_text())
        node = dict(content["root"]["dict"][0][1])
        content["root"]["dict"][0][1] = change(node) or node
        file.write_text(json.dumps(content))
