"""Graphs of different sizes in arrays of one size: the graph tuple, budgets, and greedy batching.

Each device gets a batch of its own. Graphs are added in order until the next one would exceed the budget of
graphs, nodes or edges; that one begins the next batch. Padding graphs fill the rest of the budget, so shapes never
change. Only the sizes of the graphs decide which graph goes where, so this takes a few cumulative sums. Every
process computes it for all devices and builds the arrays of its own devices only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class GraphsTuple(NamedTuple):
    """A batch of graphs, nodes and edges of all graphs concatenated. The fields are in the published order.

    Attributes:
      nodes: features (num_nodes, ...).
      edges: features (num_edges, ...).
      receivers, senders: index of the node at which each edge ends and begins, (num_edges,).
      globals: features of the graphs; always empty here, `{}`.
      n_node, n_edge: sizes of the graphs, (num_graphs,); they add up to num_nodes and num_edges.
    """

    nodes: Any
    edges: Any
    receivers: Any
    senders: Any
    globals: Any
    n_node: Any
    n_edge: Any


@dataclass(frozen=True)
class GraphBudget:
    """The most real graphs, nodes and edges in one device's part of a batch.

    The arrays have room for one more graph and one more node, so padding always has at least one node of its own.
    """

    num_graphs: int
    num_nodes: int
    num_edges: int

    @property
    def graph_slots(self) -> int:
        """Graphs in the arrays, padding included."""
        return self.num_graphs + 1

    @property
    def node_slots(self) -> int:
        """Nodes in the arrays, padding included."""
        return self.num_nodes + 1


def pack(num_nodes: np.ndarray, num_edges: np.ndarray, budget: GraphBudget, num_parts: int) -> np.ndarray:
    """Cut a sequence of graphs, given by their sizes (N,), into at most `num_parts` consecutive parts.

    Returns the parts' boundaries, int64 (num_parts + 1,): part i holds the graphs from boundary i up to boundary
    i + 1. If graphs run out, the remaining parts are empty. ValueError if a single graph exceeds the budget.
    """
    node_ends, edge_ends = np.cumsum(num_nodes, dtype=np.int64), np.cumsum(num_edges, dtype=np.int64)
    boundaries = np.full(num_parts + 1, len(num_nodes), np.int64)
    boundaries[0] = start = nodes_before = edges_before = 0
    for part in range(num_parts):
        if start == len(num_nodes):
            break
        by_nodes = int(np.searchsorted(node_ends, nodes_before + budget.num_nodes, side="right"))
        by_edges = int(np.searchsorted(edge_ends, edges_before + budget.num_edges, side="right"))
        end = min(by_nodes, by_edges, start + budget.num_graphs)
        if end == start:
            raise ValueError(f"a graph of {num_nodes[start]} nodes and {num_edges[start]} edges exceeds {budget}")
        boundaries[part + 1] = start = end
        nodes_before, edges_before = int(node_ends[end - 1]), int(edge_ends[end - 1])
    return boundaries


def ragged_rows(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers `start, start + 1, ...` of all ranges, concatenated: int64 (sum of lengths,)."""
    ends = np.cumsum(lengths)
    shifts = starts - ends + lengths  # from the position in the result to the number itself
    return np.repeat(shifts, lengths) + np.arange(ends[-1] if len(ends) else 0)


@dataclass(frozen=True)
class GraphTable:
    """Undirected graphs in flat arrays, for random access without parsing.

    Attributes:
      node_starts, edge_starts: where each graph's nodes and edges begin, int64 (num_graphs + 1,).
      nodes: features of all nodes, uint8 (N, F).
      edges: features of all edges, each once, uint8 (E, G).
      ends: node indices of both ends of each edge, within their graph, uint16 (E, 2).
    """

    node_starts: np.ndarray
    edge_starts: np.ndarray
    nodes: np.ndarray
    edges: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, num_nodes: np.ndarray, num_edges: np.ndarray, arrays: Mapping[str, np.ndarray]) -> GraphTable:
        """Make a table of graphs with these sizes (num_graphs,); `arrays` holds `nodes`, `edges` and `ends`."""
        starts = (np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]) for sizes in (num_nodes, num_edges))
        # Views of memory maps cost microseconds each; views of plain arrays do not.
        return cls(*starts, **{name: np.asarray(array) for name, array in arrays.items()})

    @property
    def num_nodes(self) -> np.ndarray:
        """Nodes of each graph."""
        return np.diff(self.node_starts)

    @property
    def num_edges(self) -> np.ndarray:
        """Directed edges of each graph: each edge counts in both directions."""
        return 2 * np.diff(self.edge_starts)

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Copy the graphs `rows` into new flat arrays: node counts, edge counts, and the arrays that `of` takes."""
        node_starts, edge_starts = self.node_starts[rows], self.edge_starts[rows]
        num_nodes, num_edges = self.node_starts[rows + 1] - node_starts, self.edge_starts[rows + 1] - edge_starts
        of_edges = ragged_rows(edge_starts, num_edges)
        arrays = {  # several times as fast as with brackets
            "nodes": self.nodes.take(ragged_rows(node_starts, num_nodes), axis=0),
            "edges": self.edges.take(of_edges, axis=0),
            "ends": self.ends.take(of_edges, axis=0),
        }
        return num_nodes, num_edges, arrays

    def batch(self, parts: Sequence[np.ndarray], budget: GraphBudget) -> GraphsTuple:
        """Make a padded batch from the row numbers of each part's graphs. Parts have equal sizes and are concatenated.

        Every edge appears in both directions: first a graph's edges as stored, then all of them reversed. The first
        padding graph takes all remaining nodes and edges; the other padding graphs are empty. Padding features are
        zero; padding edges begin and end at the first padding node. Node indices count over all parts.
        """
        count = len(parts)
        batch = GraphsTuple(
            nodes=np.zeros((count * budget.node_slots, self.nodes.shape[1]), np.float32),
            edges=np.zeros((count * budget.num_edges, self.edges.shape[1]), np.float32),
            receivers=np.empty(count * budget.num_edges, np.int32),
            senders=np.empty(count * budget.num_edges, np.int32),
            globals={},
            n_node=np.zeros(count * budget.graph_slots, np.int32),
            n_edge=np.zeros(count * budget.graph_slots, np.int32),
        )
        for number, rows in enumerate(parts):
            self._fill(batch, rows, budget, number)
        return batch

    def _fill(self, batch: GraphsTuple, rows: np.ndarray, budget: GraphBudget, number: int) -> None:
        """Write one part. The features are zero beforehand, so their padding needs no writing."""
        first_node, first_edge = number * budget.node_slots, number * budget.num_edges
        first_graph = number * budget.graph_slots
        num_nodes, num_edges, arrays = self.take(rows)
        nodes_end, both_ways = first_node + int(num_nodes.sum()), np.repeat(num_edges, 2)
        edges_end = first_edge + int(both_ways.sum())
        batch.nodes[first_node:nodes_end] = arrays["nodes"]

        # Take each graph's range of edges twice, the second time with the ends swapped.
        starts = np.repeat(np.cumsum(num_edges) - num_edges, 2)
        of_edges = ragged_rows(starts, both_ways)
        batch.edges[first_edge:edges_end] = arrays["edges"].take(of_edges, axis=0)
        offsets = first_node + np.repeat(np.cumsum(num_nodes) - num_nodes, num_edges)
        heads, tails = ((arrays["ends"][:, side] + offsets).astype(np.int32).take(of_edges) for side in (0, 1))
        reverse = np.repeat(np.arange(len(both_ways)) % 2 == 1, both_ways)
        batch.senders[first_edge:edges_end] = np.where(reverse, tails, heads)
        batch.receivers[first_edge:edges_end] = np.where(reverse, heads, tails)
        for indices in (batch.senders, batch.receivers):
            indices[edges_end : first_edge + budget.num_edges] = nodes_end

        padding = first_graph + len(rows)
        batch.n_node[first_graph:padding] = num_nodes
        batch.n_edge[first_graph:padding] = 2 * num_edges
        batch.n_node[padding] = first_node + budget.node_slots - nodes_end
        batch.n_edge[padding] = first_edge + budget.num_edges - edges_end
