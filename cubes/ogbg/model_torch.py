"""A graph network (Battaglia et al., 2018, algorithm 1) that sums over senders and receivers separately."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from algoperf.data.batches.graphs import GraphsTuple
from algoperf.frameworks.torch.layers import ACTIVATIONS, Activation, lecun_normal_
from algoperf.workload.definition import WorkloadDefinition

COMPILE = frozenset({"loss"})


class _Mlp(nn.Module):
    """Linear layers, each with layer norm, activation and dropout. Modules have their published names."""

    def __init__(self, num_inputs: int, hidden_dims: Sequence[int], activation: Activation) -> None:
        super().__init__()
        self.activation = activation
        self.num_layers = len(hidden_dims)
        for number, (before, after) in enumerate(zip([num_inputs, *hidden_dims[:-1]], hidden_dims, strict=True)):
            self.add_module(f"dense_{number}", nn.Linear(before, after))
            self.add_module(f"norm_{number}", nn.LayerNorm(after, eps=1e-6))

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        for number in range(self.num_layers):
            x = getattr(self, f"norm_{number}")(getattr(self, f"dense_{number}")(x))
            x = F.dropout(self.activation(x), dropout_rate, self.training)
        return x


def _segment_sum(values: torch.Tensor, segments: torch.Tensor, num_segments: int) -> torch.Tensor:
    """Sums of the rows (N, ...) of each segment: (num_segments, ...)."""
    return values.new_zeros((num_segments, *values.shape[1:])).index_add(0, segments, values)


class _GraphNetwork(nn.Module):
    """One step of message passing: update edges, then nodes, then globals; each uses the old globals."""

    def __init__(self, latent_dim: int, global_dim: int, hidden_dims: Sequence[int], activation: Activation) -> None:
        super().__init__()
        width = hidden_dims[-1]
        self.update_edge_fn = _Mlp(3 * latent_dim + global_dim, hidden_dims, activation)
        self.update_node_fn = _Mlp(latent_dim + 2 * width + global_dim, hidden_dims, activation)
        self.update_global_fn = _Mlp(2 * width + global_dim, hidden_dims, activation)

    def forward(self, graph: GraphsTuple, dropout_rate: float) -> GraphsTuple:
        nodes, edges, receivers, senders, context, n_node, n_edge = graph
        num_nodes, num_graphs = len(nodes), len(n_node)
        numbers = torch.arange(num_graphs, device=n_node.device)
        # Given the output size, `repeat_interleave` need not wait for the device.
        graph_of_node = numbers.repeat_interleave(n_node, output_size=num_nodes)
        graph_of_edge = numbers.repeat_interleave(n_edge, output_size=len(edges))

        inputs = (edges, nodes[senders], nodes[receivers], context[graph_of_edge])
        edges = self.update_edge_fn(torch.cat(inputs, dim=-1), dropout_rate)
        sent, received = (_segment_sum(edges, ends, num_nodes) for ends in (senders, receivers))
        nodes = self.update_node_fn(torch.cat((nodes, sent, received, context[graph_of_node]), dim=-1), dropout_rate)
        sums = (_segment_sum(nodes, graph_of_node, num_graphs), _segment_sum(edges, graph_of_edge, num_graphs))
        context = self.update_global_fn(torch.cat((*sums, context), dim=-1), dropout_rate)
        return graph._replace(nodes=nodes, edges=edges, globals=context)


class GNN(nn.Module):
    """Embeds atoms and bonds, passes messages, and predicts from the features of whole graphs.

    Args:
      latent_dim: width of the embeddings.
      hidden_dims: widths of the layers of every MLP.
      num_message_passing_steps: number of steps, each with separate parameters.
      num_outputs: number of logits per graph, and width of the graphs' features before the first step.
      activation_fn_name: key of ACTIVATIONS.
      num_node_features, num_edge_features: width of the inputs.
    """

    def __init__(
        self,
        *,
        latent_dim: int,
        hidden_dims: Sequence[int],
        num_message_passing_steps: int,
        num_outputs: int,
        activation_fn_name: str,
        num_node_features: int,
        num_edge_features: int,
    ) -> None:
        super().__init__()
        self.num_outputs = num_outputs
        self.node_embedder = nn.Linear(num_node_features, latent_dim)
        self.edge_embedder = nn.Linear(num_edge_features, latent_dim)
        activation, width = ACTIVATIONS[activation_fn_name], hidden_dims[-1]
        self.graph_network = nn.ModuleList(
            _GraphNetwork(width if number else latent_dim, width if number else num_outputs, hidden_dims, activation)
            for number in range(num_message_passing_steps)
        )
        self.decoder = nn.Linear(width, num_outputs)
        self.apply(lecun_normal_)

    def forward(self, graph: GraphsTuple, dropout_rate: float) -> torch.Tensor:
        """A batch of graphs to logits (num_graphs, num_outputs)."""
        graph = graph._replace(
            nodes=self.node_embedder(graph.nodes),
            edges=self.edge_embedder(graph.edges),
            globals=graph.nodes.new_zeros((len(graph.n_node), self.num_outputs)),
        )
        for step in self.graph_network:
            graph = step(graph, dropout_rate)
        return self.decoder(graph.globals)


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    inputs = definition.example_batch()["inputs"]
    return GNN(**definition.model, num_node_features=inputs.nodes.shape[1], num_edge_features=inputs.edges.shape[1])


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The output layer's parameters."""
    del definition
    return frozenset({"decoder.weight", "decoder.bias"})


def train_weights(definition: WorkloadDefinition) -> bool:
    """Training batches carry a mask, as published."""
    del definition
    return True
