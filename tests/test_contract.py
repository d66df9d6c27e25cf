"""What every workload owes to submissions, in both frameworks. Another workload is another row of ROWS."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algoperf import random_utils, spec
from algoperf.datasets.base import Shard, place
from algoperf.frameworks import load_backend
from algoperf.registry import find_workload
from algoperf.spec import ForwardPassMode, ParameterType, ShapeTuple
from algoperf.versions import load_version
from contract_kinds import DEFAULT_KIND, KINDS, Classification, arrays, binary_cross_entropy, cross_entropy, real_rows

ROWS = [
    ("digits", "full"),
    ("mnist", "mini"),
    ("cifar", "mini"),
    ("imagenet_resnet", "mini"),
    ("imagenet_vit", "mini"),
    ("ogbg", "mini"),
]
FRAMEWORKS = ("jax", "pytorch")
TRAIN, EVAL = ForwardPassMode.TRAIN, ForwardPassMode.EVAL
BATCH_SIZE = 16


def noise(shape):
    return np.random.default_rng(0).normal(size=shape, scale=0.1).astype(np.float32)


class Jax:
    """What the tests have to know about JAX."""

    def __init__(self):
        import jax

        self.jax = jax
        self.tensor_type = jax.Array
        self.tensor = jax.numpy.asarray
        self.integer = np.int32

    def seed_dropout(self, seed):
        """The key decides."""

    def key(self, seed):
        return self.jax.random.PRNGKey(seed)

    def parameters(self, params):
        leaves = self.jax.tree_util.tree_leaves_with_path(params)
        return {"/".join(entry.key for entry in path): np.asarray(leaf) for path, leaf in leaves}

    def statistics(self, params, model_state):
        return self.parameters(model_state)

    def stir(self, params, chosen):
        for name in filter(chosen, params):
            params[name] = self.jax.tree.map(lambda leaf: leaf + noise(leaf.shape), params[name])

    def output_candidates(self, params):
        return list(params)


class Torch:
    """What the tests have to know about PyTorch."""

    def __init__(self):
        import torch

        self.torch = torch
        self.tensor_type = torch.Tensor
        self.tensor = torch.as_tensor
        self.integer = np.int64

    def seed_dropout(self, seed):
        self.torch.manual_seed(seed)

    def key(self, seed):
        random_utils.use_framework("pytorch")
        return random_utils.PRNGKey(seed)

    def parameters(self, params):
        return {name: param.detach().numpy().copy() for name, param in params.named_parameters()}

    def statistics(self, params, model_state):
        return {name: b.numpy().copy() for name, b in params.named_buffers() if "running" in name}

    def stir(self, params, chosen):
        with self.torch.no_grad():
            for name, param in params.named_parameters():
                if chosen(name):
                    param.add_(self.torch.from_numpy(noise(param.shape)))

    def output_candidates(self, params):
        return [name for name, _ in params.named_parameters()]


@dataclass
class Case:
    """A workload of one framework, and helpers that are the same for both."""

    workload: Any
    framework: str
    kit: Any
    data_dir: str

    @property
    def kind(self):
        """What the tests have to know about its kind of task."""
        return KINDS.get(self.workload.definition.name, DEFAULT_KIND)

    def init(self, seed=0):
        return self.workload.init_model_fn(self.kit.key(seed))

    def train_batch(self):
        return next(self.workload._build_input_queue(self.kit.key(0), "train", self.data_dir, BATCH_SIZE))

    def eval_batch(self):
        return next(self.workload._build_input_queue(self.kit.key(0), "validation", self.data_dir, BATCH_SIZE))

    def stirred(self, seed=0):
        """A model whose output layer is not zero, as that of some is at first: logits tell inputs apart."""
        params, model_state = self.init(seed)
        self.kit.stir(params, self.workload.is_output_params)
        return params, model_state

    def forward(self, model, batch, mode, *, seed=0, update_batch_norm=True, **dropout):
        """Logits as numpy, and the new model state."""
        self.kit.seed_dropout(seed)
        params, model_state = model
        key = self.kit.key(seed)
        logits, state = self.workload.model_fn(
            params, batch, model_state, mode, key, update_batch_norm=update_batch_norm, **dropout
        )
        return np.array(logits.tolist(), np.float32), state

    def evaluate(self, model, batch_size, step=0):
        return self.workload.eval_model(
            batch_size, *model, self.kit.key(0), self.data_dir, imagenet_v2_data_dir=None, global_step=step
        )

    def needs_classes(self):
        """Skip where the loss is another one."""
        if not isinstance(self.kind, Classification):
            pytest.skip(f"{self.workload.definition.name} has many labels per example")

    def needs(self, kind: ParameterType):
        """Skip where the model has no parameters of this type."""
        self.init()
        types = self.workload.model_params_types
        leaves = types.values() if self.framework == "pytorch" else self.kit.jax.tree.leaves(types)
        if kind not in leaves:
            pytest.skip(f"{self.workload.definition.name} has no {kind.name}")


def bind(name, scale, framework, seed=0):
    definition = find_workload(name).at(scale)
    return load_backend(framework).bind(definition, load_version().limits(name, scale), seed)


@pytest.fixture(
    scope="module",
    params=[(*row, framework) for row in ROWS for framework in FRAMEWORKS],
    ids="-".join,
)
def case(request, prepare) -> Case:
    name, scale, framework = request.param
    workload = bind(name, scale, framework)
    data_root = prepare(workload.definition.dataset, scale)
    data_dir = str(place(data_root, workload.definition.dataset, scale))
    return Case(workload, framework, {"jax": Jax, "pytorch": Torch}[framework](), data_dir)


# --- initialisation -----------------------------------------------------------------------------------------


def test_shapes_and_types_are_unknown_before_init(case):
    definition = case.workload.definition
    fresh = bind(definition.name, definition.scale, case.framework)
    for attribute in ("param_shapes", "model_params_types"):
        with pytest.raises(ValueError, match=attribute):
            getattr(fresh, attribute)


def test_init_model_fn(case):
    """JAX: nested dicts, and a dict or None as state. PyTorch: a module, and None."""
    params, model_state = case.init()
    if case.framework == "jax":
        assert isinstance(params, dict)
        assert model_state is None or (isinstance(model_state, dict) and model_state)
    else:
        assert isinstance(params, case.kit.torch.nn.Module)
        assert model_state is None
        assert all(param.requires_grad for param in params.parameters())
    assert {array.dtype for array in case.kit.parameters(params).values()} == {np.dtype(np.float32)}


def test_shapes_and_types_have_the_structure_of_the_parameters(case):
    params, _ = case.init()
    shapes, types = case.workload.param_shapes, case.workload.model_params_types
    if case.framework == "jax":
        tree = case.kit.jax.tree
        zeros = tree.map(lambda shape: np.zeros(shape.shape_tuple), shapes)  # as submissions make their state
        assert tree.structure(zeros) == tree.structure(params) == tree.structure(types)
        assert tree.all(tree.map(lambda zero, param: zero.shape == param.shape, zeros, params))
        leaves = tree.leaves(types)
    else:
        found = {name: tuple(shape.shape_tuple) for name, shape in shapes.items()}
        assert found == {name: array.shape for name, array in case.kit.parameters(params).items()}
        assert list(types) == list(shapes)
        leaves = types.values()
    assert all(isinstance(leaf, ParameterType) for leaf in leaves)


def test_the_key_decides_on_the_parameters(case):
    first, again, other = (case.kit.parameters(case.init(seed)[0]) for seed in (1, 1, 2))
    for name, array in first.items():
        np.testing.assert_array_equal(again[name], array)
    assert any(not np.array_equal(other[name], array) for name, array in first.items())


def test_every_init_gives_a_model_of_its_own(case):
    """The reference hands out one module again and again."""
    params, _ = case.init()
    other, _ = case.init()
    assert params is not other
    if case.framework == "pytorch":
        with case.kit.torch.no_grad():
            for param in other.parameters():
                param.zero_()
        assert any(array.any() for array in case.kit.parameters(params).values())


# --- batches ------------------------------------------------------------------------------------------------


def test_training_batches(case):
    """Types and shapes are those that published submissions know."""
    case.kind.check_training_batch(case, case.train_batch(), BATCH_SIZE)


def test_training_batches_do_not_end(case):
    queue = case.workload._build_input_queue(None, "train", case.data_dir, 500)
    sizes = {len(next(queue)["targets"]) for _ in range(12)}
    assert sizes == {case.kind.num_rows(500)}


def test_evaluation_queues(case):
    """Every split: once, again and again, or a few batches."""
    build, size = case.workload._build_input_queue, 100
    for split in ("eval_train", "validation", "test"):
        batches = list(build(None, split, case.data_dir, size))
        count = case.workload.definition.num_examples(split)
        assert sum(int(real_rows(batch).sum()) for batch in batches) == count
        assert len(list(build(None, split, case.data_dir, size, num_batches=2))) == 2
        more = len(batches) + 1
        endless = build(None, split, case.data_dir, size, repeat_final_dataset=True, num_batches=more)
        *_, last = list(endless)
        for found, expected in zip(arrays(last["inputs"]), arrays(batches[0]["inputs"]), strict=True):
            np.testing.assert_array_equal(found, expected)


# --- forward passes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [TRAIN, EVAL])
def test_model_fn(case, mode):
    model = case.init()
    logits, state = case.forward(model, case.train_batch(), mode)
    assert logits.shape == (case.kind.num_rows(BATCH_SIZE), case.kind.num_outputs)
    assert np.isfinite(logits).all()
    if model[1] is None:
        assert state is None
        return
    structure = case.kit.jax.tree.structure
    assert structure(state) == structure(model[1]), "the state can be given to the next step"
    if mode is EVAL:
        before, after = (case.kit.statistics(model[0], part) for part in (model[1], state))
        assert all(np.array_equal(before[name], after[name]) for name in before)


def test_evaluation_has_no_gradient_and_no_side_effects(case):
    """Evaluating twice gives the same, and leaves the next training step as it would have been."""
    model, batch = case.stirred(), case.train_batch()
    expected, _ = case.forward(model, batch, TRAIN)
    model = case.stirred()
    first, _ = case.forward(model, batch, EVAL, seed=1)
    second, _ = case.forward(model, batch, EVAL, seed=2)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(case.forward(model, batch, TRAIN)[0], expected)
    if case.framework == "pytorch":
        logits, _ = case.workload.model_fn(model[0], batch, None, EVAL, None, update_batch_norm=False)
        assert not logits.requires_grad


def test_dropout_rate_is_an_argument_of_the_call(case):
    model, batch = case.stirred(), case.train_batch()
    default = case.workload.definition.dropout

    def logits(mode, seed=0, **dropout):
        return case.forward(case.stirred(), batch, mode, seed=seed, **dropout)[0]

    none, half = logits(TRAIN, dropout_rate=0.0), logits(TRAIN, dropout_rate=0.5)
    evaluated = case.forward(model, batch, EVAL, dropout_rate=0.5)[0]
    np.testing.assert_array_equal(evaluated, case.forward(model, batch, EVAL, dropout_rate=0.0)[0])
    np.testing.assert_array_equal(none, logits(TRAIN, seed=1, dropout_rate=0.0))
    if default is None:  # accepted and without effect
        np.testing.assert_array_equal(none, half)
        return
    assert not np.allclose(none, half)
    assert not np.allclose(half, logits(TRAIN, seed=1, dropout_rate=0.5))
    np.testing.assert_array_equal(logits(TRAIN), logits(TRAIN, dropout_rate=default))
    np.testing.assert_array_equal(logits(TRAIN, dropout_rate=None), logits(TRAIN, dropout_rate=default))


def test_changing_the_dropout_rate_does_not_recompile(case):
    if case.framework != "jax":
        pytest.skip("JAX only")
    params, model_state = case.stirred()
    batch, traces = case.train_batch(), []

    def step(workload, params, batch, rate):
        traces.append(rate)
        key = case.kit.key(0)
        return workload.model_fn(params, batch, model_state, TRAIN, key, update_batch_norm=True, dropout_rate=rate)[0]

    compiled = case.kit.jax.jit(step, static_argnums=0)
    outputs = [np.asarray(compiled(case.workload, params, batch, rate)) for rate in (0.0, 0.1, 0.5)]
    assert len(traces) == 1
    for rate, output in zip((0.0, 0.1, 0.5), outputs, strict=True):
        eager, _ = case.forward((params, model_state), batch, TRAIN, dropout_rate=rate)
        np.testing.assert_allclose(output, eager, rtol=1e-4, atol=1e-4)


def test_dropout_layer_of_jax():
    import jax

    from algoperf.frameworks.jax.layers import Dropout

    inputs = np.ones((100, 200), np.float32)
    rngs = {"dropout": jax.random.PRNGKey(0)}
    outputs = np.asarray(Dropout().apply({}, inputs, 0.25, deterministic=False, rngs=rngs))
    assert set(np.unique(outputs)) == {0.0, np.float32(1 / 0.75)}
    assert np.mean(outputs == 0) == pytest.approx(0.25, abs=0.02)
    np.testing.assert_array_equal(Dropout().apply({}, inputs, 0.25, deterministic=True), inputs)
    np.testing.assert_array_equal(Dropout().apply({}, inputs, 0.0, deterministic=False, rngs=rngs), inputs)


def test_updating_batch_norm(case):
    """A training pass moves the running statistics, which evaluation then uses."""
    case.needs(ParameterType.BATCH_NORM_SCALE)
    params, model_state = case.stirred()
    batch = case.train_batch()
    before = case.kit.statistics(params, model_state)
    evaluated, _ = case.forward((params, model_state), batch, EVAL)
    _, new_state = case.forward((params, model_state), batch, TRAIN, update_batch_norm=True)
    after = case.kit.statistics(params, new_state)
    assert before.keys() == after.keys()
    assert before
    assert all(not np.array_equal(before[name], after[name]) for name in before)
    assert not np.allclose(case.forward((params, new_state), batch, EVAL)[0], evaluated)


def test_not_updating_batch_norm(case):
    """Published: JAX then normalises with running statistics, PyTorch with those of the batch. Neither moves."""
    case.needs(ParameterType.BATCH_NORM_SCALE)
    params, model_state = case.stirred()
    batch = case.train_batch()
    before = case.kit.statistics(params, model_state)
    kept, kept_state = case.forward((params, model_state), batch, TRAIN, update_batch_norm=False, dropout_rate=0.0)
    after = case.kit.statistics(params, kept_state)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    with_running, _ = case.forward((params, model_state), batch, EVAL)
    # Updating after not updating works again: the momentum was put back.
    with_batch, new_state = case.forward((params, model_state), batch, TRAIN, update_batch_norm=True, dropout_rate=0.0)
    moved = case.kit.statistics(params, new_state)
    assert all(not np.array_equal(before[name], moved[name]) for name in before)
    assert not np.allclose(with_running, with_batch, atol=1e-3)
    expected = with_running if case.framework == "jax" else with_batch
    np.testing.assert_allclose(kept, expected, rtol=1e-5, atol=1e-5)


# --- loss ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [None, np.array([1, 0, 1, 1, 0], np.float32), np.array([True, False] * 2 + [True])])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_fn(case, mask, smoothing):
    """Masks are numbers, or booleans as in published PyTorch batches."""
    case.needs_classes()
    assert case.workload.loss_type is spec.LossType.SOFTMAX_CROSS_ENTROPY
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(5, 10)).astype(np.float32), rng.integers(10, size=5)
    tensor = case.kit.tensor
    loss = case.workload.loss_fn(
        label_batch=tensor(labels.astype(case.kit.integer)),
        logits_batch=tensor(logits),
        mask_batch=None if mask is None else tensor(mask),
        label_smoothing=smoothing,
    )
    assert loss.keys() == {"summed", "n_valid_examples", "per_example"}
    assert all(isinstance(value, case.kit.tensor_type) for value in loss.values())
    expected = cross_entropy(logits, labels, smoothing) * (1 if mask is None else mask)
    np.testing.assert_allclose(np.asarray(loss["per_example"]), expected, rtol=1e-5)
    assert float(loss["summed"]) == pytest.approx(expected.sum(), rel=1e-5)
    assert loss["n_valid_examples"].shape == ()
    assert float(loss["n_valid_examples"]) == (5 if mask is None else mask.sum())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_of_soft_targets(case, smoothing):
    """Mixed targets are smoothed like any others."""
    case.needs_classes()
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 10)).astype(np.float32)
    soft = rng.dirichlet(np.ones(10), size=5).astype(np.float32)
    loss = case.workload.loss_fn(case.kit.tensor(soft), case.kit.tensor(logits), label_smoothing=smoothing)
    log_probabilities = logits - np.log(np.exp(logits.astype(np.float64)).sum(axis=1, keepdims=True))
    expected = -(((1 - smoothing) * soft + smoothing / 10) * log_probabilities).sum(axis=1)
    np.testing.assert_allclose(np.asarray(loss["per_example"]), expected, rtol=1e-5)
    assert float(loss["n_valid_examples"]) == 5


def test_loss_of_as_many_labels_as_classes(case):
    """Number of axes, not length, tells labels from soft targets."""
    case.needs_classes()
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(10, 10)).astype(np.float32), rng.permutation(10)
    loss = case.workload.loss_fn(case.kit.tensor(labels.astype(case.kit.integer)), case.kit.tensor(logits))
    np.testing.assert_allclose(np.asarray(loss["per_example"]), cross_entropy(logits, labels, 0.0), rtol=1e-5)


@pytest.mark.parametrize("mask_type", [np.float32, bool])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_of_many_labels(case, mask_type, smoothing):
    """What counts are known labels, not rows: of the third graph there are none."""
    if isinstance(case.kind, Classification):
        pytest.skip(f"{case.workload.definition.name} has one label per example")
    assert case.workload.loss_type is spec.LossType.SOFTMAX_CROSS_ENTROPY  # as published, which it is not
    rng, shape = np.random.default_rng(0), (4, case.kind.num_outputs)
    logits = rng.normal(size=shape, scale=30).astype(np.float32)  # far out too, where exp overflows
    labels, mask = rng.integers(2, size=shape).astype(np.float32), rng.integers(2, size=shape).astype(mask_type)
    mask[2] = 0
    loss = case.workload.loss_fn(*map(case.kit.tensor, (labels, logits, mask)), label_smoothing=smoothing)
    expected = binary_cross_entropy(logits, labels, smoothing) * mask
    np.testing.assert_allclose(np.asarray(loss["per_example"]), expected, rtol=1e-5, atol=1e-5)
    assert float(loss["summed"]) == pytest.approx(expected.sum(), rel=1e-5)
    assert float(loss["n_valid_examples"]) == mask.sum()
    assert all(isinstance(value, case.kit.tensor_type) for value in loss.values())


def test_a_loss_of_many_labels_needs_masks_and_labels_of_its_shape(case):
    if isinstance(case.kind, Classification):
        pytest.skip(f"{case.workload.definition.name} has one label per example")
    labels, logits = (case.kit.tensor(np.zeros((4, case.kind.num_outputs), np.float32)) for _ in range(2))
    for message, mask in (("need a mask of the same shape", None), (r"mask has shape \(4,\)", labels[:, 0])):
        with pytest.raises(ValueError, match=message):
            case.workload.loss_fn(labels, logits, mask)
    with pytest.raises(ValueError, match="they must be the same"):
        case.workload.loss_fn(labels[:, 0], logits, logits)


def test_label_smoothing_is_optional(case):
    case.needs_classes()
    logits, labels = np.zeros((2, 10), np.float32), np.zeros(2, case.kit.integer)
    loss = case.workload.loss_fn(case.kit.tensor(labels), case.kit.tensor(logits))
    assert float(loss["summed"]) == pytest.approx(2 * math.log(10), rel=1e-6)


def test_output_activation(case):
    logits = case.kit.tensor(np.array([[0.0, math.log(3.0)]], np.float32))
    found = case.workload.output_activation_fn(logits, case.framework)
    np.testing.assert_allclose(np.asarray(found), [[0.25, 0.75]], rtol=1e-6)
    with pytest.raises(ValueError, match="tensorflow"):
        case.workload.output_activation_fn(logits, "tensorflow")


# --- evaluation ---------------------------------------------------------------------------------------------


def test_evaluation_results(case):
    """Exactly the published names; numbers are plain."""
    results = case.evaluate(case.init(), case.workload.eval_batch_size)
    splits = {f"{split}/{metric}" for split in ("train", "validation", "test") for metric in case.kind.metrics}
    assert results.keys() == splits | {"validation/num_examples", "test/num_examples"}
    assert results["validation/num_examples"] == case.workload.num_validation_examples
    assert results["test/num_examples"] == case.workload.num_test_examples
    assert all(type(value) in (int, float) and math.isfinite(value) for value in results.values())


def test_evaluation_counts_every_example_once(case):
    """Whatever the batch size: the same sums as one pass over the whole split, written out here."""
    model = case.stirred(seed=3)
    at_once = case.evaluate(model, case.workload.eval_batch_size, step=5)
    for batch_size in (64, 7):
        for name, value in case.evaluate(model, batch_size, step=5).items():
            # Rounding may exchange two graphs in the ranking that average precision looks at.
            tolerance = 1e-3 if name.endswith("mean_average_precision") else 1e-5
            assert value == pytest.approx(at_once[name], rel=tolerance), name
    opened = case.workload.definition.dataset.open(Path(case.data_dir))
    for split in ("validation", "test"):
        count = opened.num_examples(split)
        parts = []
        for batch in opened.evaluation(split, num_examples=count, batch_size=count, shard=Shard(), seed=0):
            logits, _ = case.forward(model, case.workload.place(batch), EVAL)
            parts.append([array[real_rows(batch)] for array in (logits, batch["targets"], batch["weights"])])
        expected = case.kind.expected_metrics(*(np.concatenate(part) for part in zip(*parts, strict=True)))
        assert expected.keys() == set(case.kind.metrics)
        for name, value in expected.items():
            tolerance = 1e-9 if name == "accuracy" else 1e-4
            assert at_once[f"{split}/{name}"] == pytest.approx(value, rel=tolerance), name


def test_training_examples_of_an_evaluation_depend_on_the_step(case):
    model = case.stirred()
    first, again, other = (case.evaluate(model, 300, step)["train/loss"] for step in (1, 1, 2))
    assert first == again
    assert first != other


# --- description --------------------------------------------------------------------------------------------


def test_output_parameters_exist(case):
    candidates = case.kit.output_candidates(case.init()[0])
    found = [name for name in candidates if case.workload.is_output_params(name)]
    assert found
    assert len(found) < len(candidates)
    assert set(found) == case.workload.definition.output_params[case.framework]


def test_reaching_a_target_exactly_counts(case):
    workload = case.workload
    assert workload.limits.goal == "max"
    for split, target, reached in (
        ("validation", workload.validation_target_value, workload.has_reached_validation_target),
        ("test", workload.test_target_value, workload.has_reached_test_target),
    ):
        name = f"{split}/{workload.target_metric_name}"
        assert reached({name: target}) is True
        assert reached({name: target + 1e-6}) is True
        assert reached({name: target - 1e-6}) is False
        assert reached({name: math.nan}) is False


def test_limits_are_those_of_the_version(case):
    workload = case.workload
    limits = load_version("v0.6").limits(workload.definition.name, workload.definition.scale)
    assert workload.max_allowed_runtime_sec == limits.max_runtime_sec
    assert workload.eval_period_time_sec == limits.eval_period_sec
    assert workload.step_hint == limits.step_hint
    assert workload.target_metric_name == limits.metric


def test_statistics_of_the_inputs(case):
    """Where inputs are not normalised, there is no attribute at all."""
    stats = case.workload.definition.input_stats
    assert hasattr(case.workload, "train_mean") == hasattr(case.workload, "train_stddev") == (stats is not None)
    if stats is not None:
        assert (case.workload.train_mean, case.workload.train_stddev) == stats


def test_metrics_logger(case):
    definition = case.workload.definition
    fresh = bind(definition.name, definition.scale, case.framework)
    assert fresh.metrics_logger is None
    logger = object()
    fresh.attach_metrics_logger(logger)
    assert fresh.metrics_logger is logger


def test_instances_are_hashable_by_identity(case):
    definition = case.workload.definition
    other = bind(definition.name, definition.scale, case.framework)
    before = hash(case.workload)
    case.init()
    assert hash(case.workload) == before
    assert case.workload != other
    assert len({case.workload, other}) == 2


def test_instances_are_static_arguments_of_jit(case):
    if case.framework != "jax":
        pytest.skip("JAX only")
    traces = []

    def step(workload, x):
        traces.append(workload)
        return x * workload.step_hint

    compiled = case.kit.jax.jit(step, static_argnums=0)
    for _ in range(2):
        assert float(compiled(case.workload, 2.0)) == 2.0 * case.workload.step_hint
        case.init()
    assert traces == [case.workload]


def test_names_and_values_of_the_enumerations():
    """Published submissions and logs depend on them."""
    names = "WEIGHT BIAS CONV_WEIGHT BATCH_NORM_SCALE BATCH_NORM_BIAS LAYER_NORM_SCALE LAYER_NORM_BIAS EMBEDDING "
    names += "ATTENTION_Q ATTENTION_K ATTENTION_V ATTENTION_OUT ATTENTION_QKV ATTENTION_KV ATTENTION_BIAS"
    assert {kind.name: kind.value for kind in ParameterType} == {n: i for i, n in enumerate(names.split())}
    losses = "SOFTMAX_CROSS_ENTROPY SIGMOID_CROSS_ENTROPY MEAN_SQUARED_ERROR CTC_LOSS MEAN_ABSOLUTE_ERROR"
    assert {kind.name: kind.value for kind in spec.LossType} == {n: i for i, n in enumerate(losses.split())}
    assert {mode.name: mode.value for mode in ForwardPassMode} == {"TRAIN": 0, "EVAL": 1}


def test_shape_tuples():
    shape = ShapeTuple((2, 3))
    assert shape == ShapeTuple((2, 3))
    assert shape != ShapeTuple((3, 2))
    assert shape != (2, 3)
    assert len({shape, ShapeTuple((2, 3))}) == 1
    assert repr(shape) == "ShapeTuple((2, 3))"
