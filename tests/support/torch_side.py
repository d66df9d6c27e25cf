from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch

from algoperf.spec import ForwardPassMode, ShapeTuple
from side import Losses, Passes, Side


class TorchSide(Side):
    framework = "pytorch"

    def precision(self, dtype):
        return nullcontext()  # the dtype of model and inputs determines the precision

    def describe(self):
        device, self.workload.device = self.workload.device, torch.device("meta")
        with self.workload.device:  # tensors without values
            self.initialise()
        self.workload.device = device

    def initialise(self):
        self.model, state = self.workload.init_model_fn(np.array([0, 0], np.int32))
        assert state is None

    def load(self, values, dtype):
        self.initialise()
        self.model.to(torch.from_numpy(np.zeros(0, dtype)).dtype)
        tensors = dict([*self.model.named_parameters(), *self.model.named_buffers()])
        with torch.no_grad():
            for name, value in values.items():
                assert tensors[name].shape == value.shape, name
                tensors[name].copy_(torch.from_numpy(value))

    def listing(self):
        parts = (self.model.named_parameters(), self.model.named_buffers())
        return tuple(
            [(name, tuple(t.shape), str(t.dtype).removeprefix("torch.")) for name, t in part] for part in parts
        )

    def parameters(self):
        return {name: param.detach().numpy().copy() for name, param in self.model.named_parameters()}

    def state(self):
        return {name: buffer.detach().numpy().copy() for name, buffer in self.model.named_buffers()}

    def types(self):
        return self.workload.model_params_types

    def shapes(self):
        assert all(isinstance(shape, ShapeTuple) for shape in self.workload.param_shapes.values())
        return {name: tuple(shape.shape_tuple) for name, shape in self.workload.param_shapes.items()}

    def output_candidates(self):
        return [name for name, _ in self.model.named_parameters()]

    def tensor(self, array):
        return torch.from_numpy(array.astype(np.int64) if array.dtype.kind in "iu" else array)

    def _forward(self, batch, mode):
        logits, state = self.workload.model_fn(
            params=self.model,
            augmented_and_preprocessed_input_batch=batch,
            model_state=None,
            mode=mode,
            rng=None,
            update_batch_norm=mode is ForwardPassMode.TRAIN,
            dropout_rate=0.0,
        )
        assert state is None
        return logits

    def logits(self, batch):
        logits = self._forward(batch, ForwardPassMode.EVAL)
        return {"eval": logits, "train": self._forward(batch, ForwardPassMode.TRAIN)}

    def losses(self, batch, logits, *, targets, masked, smoothing):
        loss = self.workload.loss_fn(
            label_batch=batch[targets],
            logits_batch=logits,
            mask_batch=batch["weights"] if masked else None,
            label_smoothing=smoothing,
        )
        assert loss.keys() == {"summed", "n_valid_examples", "per_example"}
        return Losses(loss["summed"].item(), loss["n_valid_examples"].item(), loss["per_example"].detach().numpy())

    def translations(self, inputs, length):
        with torch.no_grad():
            return self.model.eval().translate(inputs, length).numpy()

    def passes(self, batch, *, evaluate, masked):
        evaluated = {}
        with self.recorded() as found:
            if evaluate:
                evaluated = self.workload.evaluation_step(self.model, None, None)(self.evaluated(batch))
            if not found:
                self._forward(batch, ForwardPassMode.EVAL)
        logits = {"eval": found[0], "train": self._forward(batch, ForwardPassMode.TRAIN)}
        loss = self.workload.loss_fn(batch["targets"], logits["train"], batch["weights"] if masked else None)
        mean = loss["summed"] / loss["n_valid_examples"]
        self.model.zero_grad()
        mean.backward()
        gradient = {name: param.grad.numpy().copy() for name, param in self.model.named_parameters()}
        logits = {mode: detached(values) for mode, values in logits.items()}
        return Passes(logits, evaluated, mean.item(), gradient)


def detached(value):
    """A tensor, or each of a tuple, without its graph."""
    return tuple(map(detached, value)) if isinstance(value, tuple) else value.detach()
