"""The graph network: what must not matter does not, and no batch makes JAX compile again."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from algoperf import random_utils
from algoperf.data.batches.graphs import GraphBudget
from algoperf.data.contracts import dataset_dir
from algoperf.datasets.ogbg.dataset import MOLPCBA
from algoperf.spec import ForwardPassMode
from bound_workload import WithData, bind

TRAIN, EVAL = ForwardPassMode.TRAIN, ForwardPassMode.EVAL


@pytest.fixture(scope="module")
def data_dir(prepare):
    return dataset_dir(prepare(MOLPCBA, "mini"), MOLPCBA, "mini")


@pytest.fixture(scope="module", params=["jax", "pytorch"])
def model(request):
    """A workload of one framework, and its logits of a batch."""
    workload = bind("ogbg", "mini", request.param)
    params, _ = workload.init_model_fn(random_utils.PRNGKey(0))

    def forward(params, batch):
        return workload.model_fn(params, batch, None, EVAL, None, update_batch_norm=False)[0]

    if request.param == "jax":
        import jax

        forward = jax.jit(forward)
    return workload, functools.partial(forward, params)


@pytest.fixture(scope="module")
def molecules(model, data_dir):
    opened = WithData.open("ogbg", "mini", model[0].framework, data_dir)
    return opened.data.dataset.molecules("train", 20, opened.data.shard)


def logits_of(model, batch) -> np.ndarray:
    workload, forward = model
    return np.array(forward(workload.place(batch)).tolist())


def test_neither_order_nor_neighbours_nor_padding_matter(model, molecules):
    rows = np.array([3, 14, 15, 9, 26])
    expected = logits_of(model, molecules.batch([rows]))
    assert np.abs(expected[0] - expected[1]).max() > 0.1, "graphs are told apart"
    others = logits_of(model, molecules.batch([np.array([26, 3, 70])]))
    np.testing.assert_allclose(others[:2], expected[[4, 0]], rtol=1e-4, atol=1e-5)
    molecules.budget, before = GraphBudget(9, 300, 700), molecules.budget
    try:
        roomy = logits_of(model, molecules.batch([rows[::-1]]))
    finally:
        molecules.budget = before
    np.testing.assert_allclose(roomy[:5], expected[::-1][-5:], rtol=1e-4, atol=1e-5)


def test_the_direction_of_bonds_does_not_matter_and_their_kind_does(model, molecules):
    batch = molecules.batch([np.arange(5)])
    expected, graph = logits_of(model, batch), batch["inputs"]
    turned = graph._replace(senders=graph.receivers, receivers=graph.senders)
    real = slice(0, 5)
    with np.errstate(all="raise"):
        found = logits_of(model, {**batch, "inputs": turned})
    # Every bond is there in both directions, so exchanging all ends only exchanges the two.
    np.testing.assert_allclose(found[real], expected[real], rtol=1e-4, atol=1e-5)
    other = graph._replace(edges=np.where(graph.edges == 0, 1, 0).astype(np.float32))
    assert np.abs(logits_of(model, {**batch, "inputs": other})[real] - expected[real]).max() > 1e-2


def test_missing_labels_have_no_gradient(model, molecules):
    """Whatever stands in their place: the loss and its gradient at every logit."""
    workload, _ = model
    batch = molecules.batch([np.arange(10)])
    rng = np.random.default_rng(0)
    logits = rng.normal(size=batch["targets"].shape, scale=50).astype(np.float32)
    changed = np.where(batch["weights"] > 0, batch["targets"], 1).astype(np.float32)
    gradients = [gradient_of_loss(workload, logits, labels, batch["weights"]) for labels in (batch["targets"], changed)]
    np.testing.assert_array_equal(gradients[0], gradients[1])
    assert np.isfinite(gradients[0]).all()
    np.testing.assert_array_equal(gradients[0] != 0, (batch["weights"] > 0) & (gradients[0] != 0))
    assert np.count_nonzero(gradients[0]) > 0.4 * batch["weights"].sum()


def gradient_of_loss(workload, logits, labels, weights) -> np.ndarray:
    if workload.framework == "jax":
        import jax

        return np.asarray(jax.grad(lambda values: workload.loss_fn(labels, values, weights)["summed"])(logits))
    import torch

    values = torch.from_numpy(logits).requires_grad_()
    workload.loss_fn(torch.from_numpy(labels), values, torch.from_numpy(weights))["summed"].backward()
    return values.grad.numpy()


def test_nothing_is_compiled_after_the_first_step_and_evaluation(data_dir):
    """Batches of different numbers of graphs, the last ones of an evaluation included."""
    import jax
    import optax

    from algoperf.blocks import jax_step

    opened = WithData.open("ogbg", "mini", "jax", data_dir, num_message_passing_steps=1)
    backend, workload = opened.backend, opened.workload
    params, state = workload.init_model_fn(jax.random.PRNGKey(0))
    optimizer = jax_step.init_state(workload, optax.identity())
    queue = opened.queue(32)
    sizes = set()

    def step(params, optimizer):
        batch = next(queue)
        sizes.add(int(np.count_nonzero(np.asarray(batch["inputs"].n_node))))
        (optimizer, params, _), _ = jax_step.train_step(
            workload, optimizer, params, state, batch, jax.random.PRNGKey(1), 0.01
        )
        return params, optimizer

    def evaluate(params, number):
        opened.evaluate(params, state, jax.random.PRNGKey(2), number, batch_size=64)

    params, optimizer = step(params, optimizer)
    evaluate(params, 0)
    jax.block_until_ready(params)
    before = backend.compile_seconds()
    for number in range(1, 4):
        for _ in range(8):
            params, optimizer = step(params, optimizer)
        evaluate(params, number)
    assert len(sizes) > 2
    assert backend.compile_seconds() == before
