"""DLRM (Naumov et al., 2019), small: two networks of dense layers, and one table of embeddings for all categories."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from algoperf.workload.definition import WorkloadDefinition

NUM_CATEGORIES = 26  # columns of bucket ids, behind the numbers
NUM_CHUNKS = 4


class _Dropout(nn.Module):
    """Dropout whose rate is an argument of the call."""

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        return F.dropout(x, dropout_rate, self.training)


class _Residual(nn.Module):
    """A linear layer, with ReLU and dropout unless it is the last of its network; its input may be added."""

    def __init__(self, num_inputs: int, num_outputs: int, *, is_output: bool, drops: bool, adds: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(num_inputs, num_outputs)]
        if not is_output:
            layers.append(nn.ReLU())
        if drops:
            layers.append(_Dropout())
        self.module = nn.Sequential(*layers)
        self._adds = adds

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        outputs = _apply(self.module, x, dropout_rate)
        return x + outputs if self._adds else outputs


def _apply(layers: nn.Sequential, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
    for layer in layers:
        x = layer(x, dropout_rate) if isinstance(layer, (_Dropout, _Residual)) else layer(x)
    return x


def _plain(widths: Sequence[int], *, ends: bool, use_layer_norm: bool) -> nn.Sequential:
    """Linear, ReLU and perhaps layer normalisation for each width behind the first; see `_network`."""
    layers: list[nn.Module] = []
    for place, (num_inputs, num_outputs) in enumerate(itertools.pairwise(widths), start=1):
        if ends and place == len(widths) - 1:
            layers.append(_Dropout())
        layers.append(nn.Linear(num_inputs, num_outputs))
        if not ends or place < len(widths) - 1:
            layers.append(nn.ReLU())
            if use_layer_norm:
                layers.append(nn.LayerNorm(num_outputs, eps=1e-6))
    return nn.Sequential(*layers)


def _residual(widths: Sequence[int], *, ends: bool) -> nn.Sequential:
    """Layers that add their inputs, but for the first one and an output layer."""
    last = len(widths) - 2
    return nn.Sequential(
        *(
            _Residual(
                *pair,
                is_output=ends and place == last,
                drops=ends and place == last - 1,
                adds=place > 0 and not (ends and place == last),
            )
            for place, pair in enumerate(itertools.pairwise(widths))
        )
    )


def _network(widths: Sequence[int], settings: Mapping[str, Any], *, ends: bool) -> nn.Sequential:
    """Dense layers. If the network `ends` the model, its last layer is linear, and dropout comes before it."""
    if settings["use_resnet"]:
        return _residual(widths, ends=ends)
    return _plain(widths, ends=ends, use_layer_norm=settings["use_layer_norm"])


class DLRM(nn.Module):
    """Dense features go through `bot_mlp`, categories through the table; `top_mlp` sees how they interact.

    The published table is cut into four parameters. They are read where they are: to join them would copy the table.
    The settings are those of the cube's `workload.py`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        vocab_size, embed_dim = settings["vocab_size"], settings["embed_dim"]
        bottom, top = settings["mlp_bottom_dims"], settings["mlp_top_dims"]
        if vocab_size % NUM_CHUNKS:
            raise ValueError(f"vocab_size must be a multiple of {NUM_CHUNKS}, not {vocab_size}")
        self._vocab_size, self._num_dense = vocab_size, settings["num_dense_features"]
        self._interacts = not settings["use_resnet"]
        scale = settings["embedding_init_multiplier"] or vocab_size**-0.5
        for number in range(NUM_CHUNKS):
            chunk = torch.empty(vocab_size // NUM_CHUNKS, embed_dim).uniform_(0, 1).mul_(scale)
            self.register_parameter(f"embedding_chunk_{number}", nn.Parameter(chunk))
        self.bot_mlp = _network([self._num_dense, *bottom], settings, ends=False)
        _initialise(self.bot_mlp, nn.init.xavier_uniform_)
        num_vectors = NUM_CATEGORIES + 1
        num_features = num_vectors * (num_vectors + 1) // 2 if self._interacts else NUM_CATEGORIES * embed_dim
        self.top_mlp = _network([bottom[-1] + num_features, *top], settings, ends=True)
        _initialise(self.top_mlp, nn.init.xavier_normal_)
        self.embed_ln = nn.LayerNorm(embed_dim, eps=1e-6) if settings["use_layer_norm"] else None

    def forward(self, inputs: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """Features (B, 13) and, behind them, bucket ids (B, 26), all float32, to logits (B, 1)."""
        dense = _apply(self.bot_mlp, inputs[:, : self._num_dense], dropout_rate)
        ids = inputs[:, self._num_dense :].to(torch.int64) % self._vocab_size
        embedded = self._look_up(ids.flatten()).view(*ids.shape, -1)
        if self.embed_ln is not None:
            embedded = self.embed_ln(embedded)
        features = self._interactions(dense, embedded) if self._interacts else embedded.flatten(1)
        return _apply(self.top_mlp, torch.cat((dense, features), dim=1), dropout_rate)

    def _look_up(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows of the table (N, D) for int64 ids (N,)."""
        chunk_rows = self._vocab_size // NUM_CHUNKS
        chunks, rows = ids // chunk_rows, ids % chunk_rows
        places = [(chunks == number).nonzero().squeeze(1) for number in range(NUM_CHUNKS)]
        found = [
            F.embedding(rows[place], self.get_parameter(f"embedding_chunk_{number}"))
            for number, place in enumerate(places)
        ]
        origin = torch.empty_like(ids)
        origin[torch.cat(places)] = torch.arange(len(ids), device=ids.device)
        return torch.cat(found).index_select(0, origin)

    def _interactions(self, dense: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:
        """Products of all pairs of vectors, with themselves too: (B, 378)."""
        vectors = torch.cat((dense[:, None], embedded), dim=1)
        products = vectors @ vectors.transpose(1, 2)
        first, second = torch.triu_indices(*products.shape[1:], device=products.device)
        return products[:, first, second]


def _initialise(network: nn.Module, fill: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Draw weights as `fill` does, and normal biases."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            fill(layer.weight)
            nn.init.normal_(layer.bias, 0.0, layer.out_features**-0.5)


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return DLRM(**definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The last layer's parameters; published names are places in a network."""
    num_hidden = len(definition.model["mlp_top_dims"]) - 1
    if definition.model["use_resnet"]:
        layer = f"{num_hidden}.module.0"
    else:
        layer = str(num_hidden * (3 if definition.model["use_layer_norm"] else 2) + 1)
    return frozenset({f"top_mlp.{layer}.weight", f"top_mlp.{layer}.bias"})
