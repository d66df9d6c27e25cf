"""Graphs of different sizes in batches of one size: greedy batching, padding, coverage, positions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoperf.data.batches.graphs import GraphBudget, GraphTable, pack, ragged_rows
from algoperf.data.batches.order import Shuffled
from algoperf.data.batches.queue import InputQueue
from algoperf.data.contracts import Shard
from algoperf.datasets.ogbg.batches import UNKNOWN_LABEL, MoleculeEvaluationBatches, Molecules, MoleculeTrainingBatches
from algoperf.datasets.ogbg.dataset import MOLPCBA, MolPcba
from algoperf.errors import UserError
from places import GOLDENS

INPUTS = GOLDENS / "forward" / "inputs"


def molecules(sizes, budget, *, seed=0, num_tasks=2) -> Molecules:
    """Random graphs with (nodes, edges); the features of the first node are the number of the graph."""
    rng = np.random.default_rng(seed)
    num_nodes, num_edges = (np.array(column) for column in zip(*sizes, strict=True))
    ends = [rng.integers(nodes, size=(edges, 2)) for nodes, edges in sizes]
    nodes = rng.integers(256, size=(num_nodes.sum(), 3))
    nodes[np.cumsum(num_nodes) - num_nodes] = np.stack((*np.divmod(np.arange(len(sizes)), 256), num_nodes), axis=1)
    arrays = {
        "nodes": nodes.astype(np.uint8),
        "edges": rng.integers(256, size=(num_edges.sum(), 2)).astype(np.uint8),
        "ends": np.concatenate(ends).astype(np.uint16),
    }
    labels = rng.choice(np.array([0, 1, UNKNOWN_LABEL], np.uint8), size=(len(sizes), num_tasks))
    return Molecules(GraphTable.of(num_nodes, num_edges, arrays), labels, budget)


def random_sizes(count, seed=0):
    rng = np.random.default_rng(seed)
    return list(zip(rng.integers(1, 9, count).tolist(), rng.integers(0, 9, count).tolist(), strict=True))


def numbers_of(batch, num_parts) -> list[int]:
    """The graphs that a batch holds, by the features of their first nodes."""
    graph, found = batch["inputs"], []
    slots, per_part = len(graph.n_node) // num_parts, len(graph.nodes) // num_parts
    for part in range(num_parts):
        n_node = graph.n_node[part * slots : (part + 1) * slots]
        firsts = part * per_part + np.cumsum(n_node) - n_node
        real = batch["real"][part * slots : (part + 1) * slots]
        high, low = graph.nodes[firsts[real], 0], graph.nodes[firsts[real], 1]
        found += (256 * high + low).astype(int).tolist()
    return found


# --- the reference's own batches ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published() -> Molecules:
    """The raw graphs of the golden files, for batches of four."""
    with np.load(INPUTS / "ogbg_raw_graphs.seed0.npz") as file:
        graphs = [{name: file[f"graph{number:02d}__{name}"] for name in FIELDS} for number in range(9)]
    joined = {name: np.concatenate([graph[name] for graph in graphs]) for name in FIELDS}
    arrays = {
        "nodes": joined["node_feat"].astype(np.uint8),
        "edges": joined["edge_feat"].astype(np.uint8),
        "ends": joined["edge_index"].astype(np.uint16),
    }
    num_edges = np.array([len(graph["edge_feat"]) for graph in graphs])
    labels = np.stack([graph["labels"] for graph in graphs])
    table = GraphTable.of(joined["num_nodes"], num_edges, arrays)
    stored = np.where(np.isnan(labels), UNKNOWN_LABEL, np.nan_to_num(labels)).astype(np.uint8)
    return Molecules(table, stored, GraphBudget(4, 4 * 26, 4 * 56))


FIELDS = ("node_feat", "edge_feat", "edge_index", "labels", "num_nodes")


def test_batches_are_those_of_the_reference(published):
    batches = MoleculeEvaluationBatches(published, np.arange(9), shard=Shard())
    found = [batch["inputs"].n_node.tolist() for batch in batches]
    assert found == [[34, 27, 26, 9, 9], [35, 17, 36, 17, 0], [36, 12, 57, 0, 0]]
    with np.load(INPUTS / "ogbg.jax.seed0.npz") as expected:
        batch = batches[0]
        for name in ("nodes", "edges", "senders", "receivers", "n_node", "n_edge"):
            np.testing.assert_array_equal(getattr(batch["inputs"], name), expected[f"inputs__{name}"], err_msg=name)
        np.testing.assert_array_equal(batch["targets"], expected["targets"])
        masked = expected["weights"]  # without one graph that the golden file masks on top
        [hidden] = [row for row in range(4) if not masked[row].any() and batch["weights"][row].any()]
        others = np.arange(5) != hidden
        np.testing.assert_array_equal(batch["weights"][others], masked[others])
    assert batch["real"].tolist() == [True] * 4 + [False]


# --- which graphs go where ------------------------------------------------------------------------------------


def packed_one_by_one(sizes, budget: GraphBudget, num_parts: int) -> list[list[int]]:
    """The rule as it is told: the next graph, until it does not fit."""
    parts, queue = [], list(range(len(sizes)))
    for _ in range(num_parts):
        part, nodes, edges = [], 0, 0
        while queue:
            more_nodes, more_edges = sizes[queue[0]]
            if (
                len(part) == budget.num_graphs
                or nodes + more_nodes > budget.num_nodes
                or edges + more_edges > budget.num_edges
            ):
                break
            nodes, edges = nodes + more_nodes, edges + more_edges
            part.append(queue.pop(0))
        parts.append(part)
    return parts


@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=40),
    budget=st.builds(GraphBudget, st.integers(1, 6), st.integers(9, 30), st.integers(9, 30)),
    num_parts=st.integers(1, 12),
)
def test_packing_is_greedy_and_keeps_the_order(sizes, budget, num_parts):
    num_nodes, num_edges = (np.array([size[column] for size in sizes], np.int64) for column in (0, 1))
    boundaries = pack(num_nodes, num_edges, budget, num_parts)
    found = [list(range(first, last)) for first, last in itertools.pairwise(boundaries)]
    expected = packed_one_by_one(sizes, budget, num_parts)
    taken = sum(map(len, expected))
    if taken < len(sizes):  # else the parts after the last graph are empty
        assert boundaries[-1] == taken
    assert found == expected


@pytest.mark.parametrize("size", [(11, 1), (1, 21)])
def test_a_graph_beyond_the_budget_is_an_error(size):
    with pytest.raises(ValueError, match=f"a graph of {size[0]} nodes and {size[1]} edges exceeds"):
        pack(*np.array([[1, 1], size]).T, GraphBudget(5, 10, 20), 2)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=10))
def test_ragged_rows(stretches):
    starts, lengths = (np.array([pair[column] for pair in stretches], np.int64) for column in (0, 1))
    expected = [number for start, length in stretches for number in range(start, start + length)]
    assert ragged_rows(starts, lengths).tolist() == expected


# --- arrays ---------------------------------------------------------------------------------------------------


def test_edges_go_both_ways_and_padding_points_at_the_first_padding_node():
    budget = GraphBudget(3, 20, 16)
    made = molecules([(3, 2), (2, 0), (4, 3)], budget)
    graph = made.batch([np.array([2, 0])])["inputs"]
    ends = made.table.ends.astype(int)
    first, second = ends[2:5], ends[:2] + 4
    assert graph.senders[:10].tolist() == [*first[:, 0], *first[:, 1], *second[:, 0], *second[:, 1]]
    assert graph.receivers[:10].tolist() == [*first[:, 1], *first[:, 0], *second[:, 1], *second[:, 0]]
    edges = made.table.edges
    np.testing.assert_array_equal(graph.edges[:10], np.concatenate([edges[2:5], edges[2:5], edges[:2], edges[:2]]))
    assert graph.n_node.tolist() == [4, 3, 14, 0]
    assert graph.n_edge.tolist() == [6, 4, 6, 0]
    assert set(graph.senders[10:]) == set(graph.receivers[10:]) == {7}
    assert not graph.nodes[7:].any()
    assert not graph.edges[10:].any()


@pytest.mark.parametrize("num_parts", [2, 4])
def test_one_process_with_several_devices_sees_what_several_processes_see(num_parts):
    """Parts stand one after another; the numbers of their nodes go on."""
    budget = GraphBudget(4, 20, 40)
    made = molecules(random_sizes(100), budget)
    whole = MoleculeTrainingBatches(made, seed=3, shard=Shard(devices=num_parts))
    parts = [MoleculeTrainingBatches(made, seed=3, shard=Shard(index, num_parts)) for index in range(num_parts)]
    position = 0
    for _ in range(20):
        batch, others = whole.batch(position), [part.batch(position) for part in parts]
        for name in ("targets", "weights"):
            np.testing.assert_array_equal(batch[name], np.concatenate([other[name] for other in others]))
        for name in ("nodes", "edges", "n_node", "n_edge"):
            pieces = [getattr(other["inputs"], name) for other in others]
            np.testing.assert_array_equal(getattr(batch["inputs"], name), np.concatenate(pieces))
        for name in ("senders", "receivers"):
            pieces = [getattr(other["inputs"], name) + index * budget.node_slots for index, other in enumerate(others)]
            np.testing.assert_array_equal(getattr(batch["inputs"], name), np.concatenate(pieces))
        assert {part.after(position) for part in parts} == {whole.after(position)}
        position = whole.after(position)


def test_shapes_never_change():
    made = molecules(random_sizes(50), GraphBudget(4, 20, 40))
    training = MoleculeTrainingBatches(made, seed=0, shard=Shard(devices=2))
    evaluation = MoleculeEvaluationBatches(made, np.arange(50), shard=Shard(devices=2))
    position, shapes = 0, set()
    for _ in range(30):
        shapes.add(tuple(part.shape for part in training.batch(position)["inputs"] if not isinstance(part, dict)))
        position = training.after(position)
    for batch in evaluation:
        shapes.add(tuple(part.shape for part in batch["inputs"] if not isinstance(part, dict)))
    assert shapes == {((42, 3), (80, 2), (80,), (80,), (10,), (10,))}


# --- order ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_devices", [1, 2, 3])
def test_training_visits_every_graph_in_the_order_of_the_seed(num_devices):
    """Nothing is lost or repeated where a batch ends, nor where an epoch does."""
    made = molecules(random_sizes(60), GraphBudget(4, 20, 40))
    shards = [MoleculeTrainingBatches(made, seed=7, shard=Shard(index, num_devices)) for index in range(num_devices)]
    position, seen = 0, []
    while len(seen) < 200:
        for shard in shards:
            batch = shard.batch(position)
            num_real = np.count_nonzero(batch["inputs"].n_node) - 1
            seen += numbers_of({**batch, "real": np.arange(len(batch["targets"])) < num_real}, 1)
        position = shards[0].after(position)
    assert position == len(seen)
    assert seen == Shuffled(60, 7).indices(0, len(seen)).tolist()


def test_a_batch_depends_on_its_position_only():
    made = molecules(random_sizes(60), GraphBudget(4, 20, 40))
    batches, positions = MoleculeTrainingBatches(made, seed=7, shard=Shard()), [0]
    for _ in range(40):
        positions.append(batches.after(positions[-1]))
    for position in positions[::-7]:
        fresh = MoleculeTrainingBatches(made, seed=7, shard=Shard()).batch(position)
        np.testing.assert_array_equal(batches.batch(position)["inputs"].nodes, fresh["inputs"].nodes)


@pytest.mark.parametrize("num_devices", [1, 2, 4, 8])
def test_every_graph_of_a_full_split_is_evaluated_once(num_devices):
    """43,793 graphs of about the real sizes at the real batch size; the last batches are filled with padding."""
    rng = np.random.default_rng(0)
    num_nodes = rng.normal(26, 6, 43_793).round().astype(int).clip(2)
    sizes = list(zip(num_nodes.tolist(), (num_nodes + rng.integers(-1, 6, len(num_nodes))).tolist(), strict=True))
    batch_size = 32_768 // num_devices
    made = molecules(sizes, GraphBudget(batch_size, 26 * batch_size, 56 * batch_size), num_tasks=1)
    seen, lengths = [], set()
    for index in range(num_devices):
        batches = MoleculeEvaluationBatches(made, np.arange(43_793), shard=Shard(index, num_devices))
        lengths.add(len(batches))
        for batch in batches:
            seen += numbers_of(batch, 1)
            assert len(batch["targets"]) == batch_size + 1
    assert lengths == {2}
    assert sorted(seen) == list(range(43_793))


# --- through the store --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened(prepare):
    root = prepare(MOLPCBA, "mini")
    return MolPcba(nodes_per_graph=12, edges_per_graph=26).open(root / "ogbg_molpcba" / "mini")


def test_a_sample_of_the_training_split(opened):
    def rows(seed):
        batches = opened.evaluation("eval_train", num_examples=300, batch_size=64, shard=Shard(), seed=seed)
        return np.concatenate([batch["targets"][batch["real"]] for batch in batches])

    assert len(rows(0)) == 300
    np.testing.assert_array_equal(rows(0), rows(0))
    assert not np.array_equal(rows(0), rows(1))


def test_batches_like_lists(opened):
    batches = opened.evaluation("test", num_examples=500, batch_size=64, shard=Shard(), seed=0)
    np.testing.assert_array_equal(batches[-1]["targets"], batches[len(batches) - 1]["targets"])
    assert [batch["real"].sum() for batch in batches[1:3]] == [batches[1]["real"].sum(), batches[2]["real"].sum()]
    with pytest.raises(IndexError, match=f"batch {len(batches)} of"):
        batches[len(batches)]


def test_batch_sizes_that_cannot_be_split(opened):
    with pytest.raises(UserError, match="batch size of 100 cannot be split among 8 devices"):
        opened.training(seed=0, batch_size=100, shard=Shard(0, 4, devices=2))


def test_batches_that_are_too_small_for_the_largest_graph_are_refused_at_once(opened):
    with pytest.raises(UserError, match=r"A batch size of 4 on 4 devices has room for 12 nodes .* of at least 8\."):
        opened.training(seed=0, batch_size=4, shard=Shard(0, 4))
    assert opened.training(seed=0, batch_size=8, shard=Shard(0, 4)).batch(0)["targets"].shape == (3, 128)


def test_a_queue_goes_on_from_a_saved_position():
    made = molecules(random_sizes(60), GraphBudget(4, 20, 40))

    def queue(position=0):
        return InputQueue(MoleculeTrainingBatches(made, seed=7, shard=Shard(devices=2)), lambda batch: batch, position)

    whole, stopped = queue(), queue()
    for _ in range(9):
        next(whole), next(stopped)
    resumed = queue(stopped.position)
    assert stopped.position not in (0, 9)
    for _ in range(20):
        expected, found = next(whole), next(resumed)
        np.testing.assert_array_equal(found["inputs"].nodes, expected["inputs"].nodes)
        np.testing.assert_array_equal(found["targets"], expected["targets"])
        assert whole.position == resumed.position
