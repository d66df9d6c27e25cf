"""A graph network (Battaglia et al., 2018, algorithm 1) that sums over senders and receivers separately.

Plain functions create the layers inside one module, so that flax numbers them over the whole model: those are the
published names.
"""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf.data.batches.graphs import GraphsTuple
from algoperf.frameworks.jax.layers import ACTIVATIONS, Dropout
from algoperf.workload.definition import WorkloadDefinition

Mlp = Callable[..., jax.Array]


class GNN(nn.Module):
    """Embeds atoms and bonds, passes messages, and predicts from the features of whole graphs.

    Attributes:
      latent_dim: width of the embeddings.
      hidden_dims: widths of the layers of every MLP.
      num_message_passing_steps: number of steps, each with separate parameters.
      num_outputs: number of logits per graph, and width of the graphs' features before the first step.
      activation_fn_name: key of ACTIVATIONS.
    """

    latent_dim: int
    hidden_dims: Sequence[int]
    num_message_passing_steps: int
    num_outputs: int
    activation_fn_name: str

    @nn.compact
    def __call__(self, graph: GraphsTuple, train: bool, dropout_rate: float | jax.Array) -> jax.Array:
        """A batch of graphs to logits (num_graphs, num_outputs)."""
        activation = ACTIVATIONS[self.activation_fn_name]

        def mlp(*inputs: jax.Array) -> jax.Array:
            x = jnp.concatenate(inputs, axis=-1)
            for width in self.hidden_dims:
                x = activation(nn.LayerNorm(epsilon=1e-6)(nn.Dense(width)(x)))
                x = Dropout()(x, dropout_rate, deterministic=not train)
            return x

        graph = graph._replace(
            nodes=nn.Dense(self.latent_dim, name="node_embedding")(graph.nodes),
            edges=nn.Dense(self.latent_dim, name="edge_embedding")(graph.edges),
            globals=jnp.zeros((len(graph.n_node), self.num_outputs), graph.nodes.dtype),
        )
        for _ in range(self.num_message_passing_steps):
            graph = _pass_messages(graph, mlp)
        return nn.Dense(self.num_outputs)(graph.globals)


def _pass_messages(graph: GraphsTuple, mlp: Mlp) -> GraphsTuple:
    """One step: update edges, then nodes, then globals; each uses the old globals."""
    nodes, edges, receivers, senders, context, n_node, n_edge = graph
    num_nodes, num_graphs = len(nodes), len(n_node)
    graph_of_node, graph_of_edge = (
        jnp.repeat(jnp.arange(num_graphs), sizes, total_repeat_length=count)
        for sizes, count in ((n_node, num_nodes), (n_edge, len(edges)))
    )
    edges = mlp(edges, nodes[senders], nodes[receivers], context[graph_of_edge])
    sent, received = (jax.ops.segment_sum(edges, ends, num_nodes) for ends in (senders, receivers))
    nodes = mlp(nodes, sent, received, context[graph_of_node])
    sums = (
        jax.ops.segment_sum(values, graphs, num_graphs, indices_are_sorted=True)
        for values, graphs in ((nodes, graph_of_node), (edges, graph_of_edge))
    )
    return graph._replace(nodes=nodes, edges=edges, globals=mlp(*sums, context))


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return GNN(**definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The top-level groups of the output layer."""
    # Dense layers are numbered over the whole model: three MLPs per step, then the decoder.
    model = definition.model
    return frozenset({f"Dense_{3 * model['num_message_passing_steps'] * len(model['hidden_dims'])}"})
