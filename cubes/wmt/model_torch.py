"""A Transformer (Vaswani et al., 2017) that translates. Modules have their published names."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from algoperf.data.contracts import Batch
from algoperf.data.text.sentence_piece import END_ID
from algoperf.frameworks.torch.beam_search import beam_search
from algoperf.frameworks.torch.layers import ACTIVATIONS
from algoperf.workload.definition import WorkloadDefinition

from .position import LONGEST_PERIOD

COMPILE = frozenset({"model", "loss"})
MASKED = -1e10  # added to scores, as published; finite, so that a row of padding alone attends evenly
BIAS_STD = 1e-6
Layer = Callable[[torch.Tensor], torch.Tensor]
KeysValues = tuple[torch.Tensor, torch.Tensor]  # each (B, heads, L, width per head)


def _linear(num_inputs: int, num_outputs: int, bias: bool) -> nn.Linear:
    layer = nn.Linear(num_inputs, num_outputs, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.normal_(layer.bias, std=BIAS_STD)
    return layer


class _Attention(nn.Module):
    """Attention without biases; as published for PyTorch, its weights are dropped too."""

    def __init__(self, num_heads: int, temperature: float) -> None:
        super().__init__()
        self.num_heads, self.temperature = num_heads, temperature

    def heads(self, x: torch.Tensor, count: int) -> tuple[torch.Tensor, ...]:
        """Split (B, L, count * width) into `count` tensors (B, heads, L, width per head)."""
        return x.unflatten(-1, (count, self.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)

    def attend(
        self, queries: torch.Tensor, keys_values: KeysValues, mask: torch.Tensor | None, dropout_rate: float
    ) -> torch.Tensor:
        """Gather (B, N, width) by queries (B, heads, N, ...)."""
        rate = dropout_rate if self.training else 0.0
        x = F.scaled_dot_product_attention(queries * self.temperature, *keys_values, attn_mask=mask, dropout_p=rate)
        return self.out_proj(x.transpose(1, 2).flatten(2))


class _SelfAttention(_Attention):
    def __init__(self, width: int, num_heads: int, temperature: float) -> None:
        super().__init__(num_heads, temperature)
        self.in_proj = _linear(width, 3 * width, bias=False)
        self.out_proj = _linear(width, width, bias=False)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        query, *keys_values = self.heads(self.in_proj(x), 3)
        return self.attend(query, tuple(keys_values), mask, dropout_rate)


class _CrossAttention(_Attention):
    def __init__(self, width: int, num_heads: int, temperature: float) -> None:
        super().__init__(num_heads, temperature)
        self.q_proj = _linear(width, width, bias=False)
        self.kv_proj = _linear(width, 2 * width, bias=False)
        self.out_proj = _linear(width, width, bias=False)

    def keys_values(self, encoded: torch.Tensor) -> KeysValues:
        """What queries meet."""
        return self.heads(self.kv_proj(encoded), 2)

    def forward(
        self, x: torch.Tensor, keys_values: KeysValues, mask: torch.Tensor, dropout_rate: float
    ) -> torch.Tensor:
        [query] = self.heads(self.q_proj(x), 1)
        return self.attend(query, keys_values, mask, dropout_rate)


class _Layer(nn.Module):
    """What layers of both stacks have in common: a residual connection, and the MLP."""

    def _add_mlp(self, width: int, mlp_width: int, activation: str, glu: bool, pre_ln: bool) -> None:
        self.activation, self.pre_ln = ACTIVATIONS[activation], pre_ln
        self.linear1 = _linear(width, mlp_width, bias=True)
        self.linear_glu = _linear(width, mlp_width, bias=True) if glu else None
        self.linear2 = _linear(mlp_width, width, bias=True)

    def add(self, x: torch.Tensor, norm: nn.Module, layer: Layer, dropout_rate: float) -> torch.Tensor:
        """A layer with a residual connection, normalised before it or behind."""
        y = F.dropout(layer(norm(x) if self.pre_ln else x), dropout_rate, self.training)
        return x + y if self.pre_ln else norm(x + y)

    def mlp(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """Two linear layers with an activation between them; with a gate, three."""
        hidden = self.activation(self.linear1(x))
        if self.linear_glu is not None:
            hidden = hidden * self.linear_glu(x)
        return self.linear2(F.dropout(hidden, dropout_rate, self.training))


class _EncoderLayer(_Layer):
    def __init__(
        self, width: int, num_heads: int, mlp_width: int, pre_ln: bool, attention_temp: float, activation: str,
        glu: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.self_attn = _SelfAttention(width, num_heads, attention_temp)
        self._add_mlp(width, mlp_width, activation, glu, pre_ln)
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-6) for _ in range(2))

    def forward(self, x: torch.Tensor, mask: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        x = self.add(x, self.norm1, lambda y: self.self_attn(y, mask, dropout_rate), dropout_rate)
        return self.add(x, self.norm2, lambda y: self.mlp(y, dropout_rate), dropout_rate)


class _DecoderLayer(_Layer):
    def __init__(
        self, width: int, num_heads: int, mlp_width: int, pre_ln: bool, attention_temp: float, activation: str,
        glu: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.self_attn = _SelfAttention(width, num_heads, attention_temp)
        self.multihead_attn = _CrossAttention(width, num_heads, attention_temp)
        self._add_mlp(width, mlp_width, activation, glu, pre_ln)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width, eps=1e-6) for _ in range(3))

    def forward(
        self, x: torch.Tensor, attend: Layer, read: KeysValues, mask: torch.Tensor, dropout_rate: float
    ) -> torch.Tensor:
        """Transform x (B, T, width); `attend` is self-attention, with a cache or without."""
        x = self.add(x, self.norm1, attend, dropout_rate)
        x = self.add(x, self.norm2, lambda y: self.multihead_attn(y, read, mask, dropout_rate), dropout_rate)
        return self.add(x, self.norm3, lambda y: self.mlp(y, dropout_rate), dropout_rate)


class _Stack(nn.Module):
    """Layers, and a norm behind them if there is none behind each."""

    def __init__(self, layers: list[nn.Module], width: int, pre_ln: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width, eps=1e-6) if pre_ln else None

    def finish(self, x: torch.Tensor) -> torch.Tensor:
        """The last norm."""
        return x if self.norm is None else self.norm(x)


class _Encoder(nn.Module):
    def __init__(self, stack: _Stack) -> None:
        super().__init__()
        self.encoder = stack

    def forward(self, x: torch.Tensor, mask: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """Transform x (B, S, width)."""
        for layer in self.encoder.layers:
            x = layer(x, mask, dropout_rate)
        return self.encoder.finish(x)


class _Decoder(nn.Module):
    def __init__(self, stack: _Stack) -> None:
        super().__init__()
        self.decoder = stack

    def read(self, encoded: torch.Tensor) -> list[KeysValues]:
        """What the layers know of the encoded sentence (B, S, width)."""
        return [layer.multihead_attn.keys_values(encoded) for layer in self.decoder.layers]

    def forward(
        self,
        x: torch.Tensor,
        read: list[KeysValues],
        masks: tuple[torch.Tensor, torch.Tensor],
        dropout_rate: float,
        caches: list["_Cache"] | None = None,
    ) -> torch.Tensor:
        """Transform x (B, T, width). `masks` are those of self-attention and of attention to what was read.

        With caches, x is one token of each beam, and only the second mask is used.
        """
        for number, layer in enumerate(self.decoder.layers):

            def attend(y: torch.Tensor, number: int = number, layer: nn.Module = layer) -> torch.Tensor:
                if caches is None:
                    return layer.self_attn(y, masks[0], dropout_rate)
                return caches[number].attend(layer.self_attn, y)

            x = layer(x, attend, read[number], masks[1], dropout_rate)
        return self.decoder.finish(x)


class _Cache:
    """Keys and values that one layer has computed for the tokens of all beams."""

    def __init__(self, num_rows: int, length: int, layer: nn.Module, width: int, like: torch.Tensor) -> None:
        heads = layer.self_attn.num_heads
        self.keys, self.values = (like.new_zeros(num_rows, heads, length, width // heads) for _ in range(2))
        self.position = 0

    def attend(self, attention: _SelfAttention, y: torch.Tensor) -> torch.Tensor:
        """Self-attention of the next token of each beam, y (B, beams, width), to those before."""
        query, key, value = attention.heads(attention.in_proj(y).flatten(0, 1)[:, None], 3)
        end = self.position + 1
        self.keys[:, :, self.position : end], self.values[:, :, self.position : end] = key, value
        self.position = end
        return attention.attend(query, (self.keys[:, :, :end], self.values[:, :, :end]), None, 0.0).view_as(y)

    def reorder(self, rows: torch.Tensor, num_tokens: int) -> None:
        """See `Writer.reorder`."""
        for part in (self.keys, self.values):
            part[:, :, :num_tokens] = part[rows, :, :num_tokens]


def _rounded_sinusoids(length: int, width: int) -> torch.Tensor:
    """The table of `sinusoids`, with the phases in float32, as the published model in PyTorch has it."""
    count = width // 2
    frequencies = torch.exp(torch.arange(count) * (-math.log(LONGEST_PERIOD) / (count - 1)))
    phases = torch.arange(length)[:, None] * frequencies
    return torch.cat([torch.sin(phases), torch.cos(phases)], dim=1)


class _Positions(nn.Module):
    pe: torch.Tensor

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.register_buffer("pe", _rounded_sinusoids(length, width)[None])

    def forward(self, x: torch.Tensor, positions: torch.Tensor | int | None) -> torch.Tensor:
        """Add positions to x (B, L, width): those given, or 0, 1, 2, ..."""
        places = self.pe[0, : x.shape[1]] if positions is None else self.pe[0, positions]
        return x + places


class _Transformer(nn.Module):
    def __init__(
        self,
        vocab_size: int,
        num_tokens: int,
        width: int,
        num_heads: int,
        num_layers: int,
        mlp_width: int,
        pre_ln: bool,
        attention_temp: float,
        activation: str,
        glu: bool,
        num_beams: int,
        length_penalty: float,
    ) -> None:
        super().__init__()
        self.width, self.num_beams, self.length_penalty = width, num_beams, length_penalty
        settings = (width, num_heads, mlp_width, pre_ln, attention_temp, activation, glu)
        self.pos_encoder = _Positions(num_tokens, width)
        self.shared_embedding = nn.Embedding(vocab_size, width)
        self.encoder = _Encoder(_Stack([_EncoderLayer(*settings) for _ in range(num_layers)], width, pre_ln))
        self.decoder = _Decoder(_Stack([_DecoderLayer(*settings) for _ in range(num_layers)], width, pre_ln))

    def forward(
        self,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        inputs_position: torch.Tensor | None = None,
        targets_position: torch.Tensor | None = None,
        inputs_segmentation: torch.Tensor | None = None,
        targets_segmentation: torch.Tensor | None = None,
        dropout_rate: float = 0.1,
    ) -> torch.Tensor:
        """Source and target tokens (B, L), of packed rows with positions and segments, to logits (B, L, vocab_size)."""
        source, target = _sides(inputs, inputs_segmentation), _sides(targets, targets_segmentation)
        embedded = F.dropout(self.embed(inputs, inputs_position), dropout_rate, self.training)
        encoded = self.encoder(embedded, self._mask(_meet(source, source)), dropout_rate)
        causal = torch.ones(targets.shape[1], targets.shape[1], dtype=torch.bool, device=targets.device).tril()
        masks = self._mask(_meet(target, target) & causal), self._mask(_meet(target, source))
        embedded = self.embed(F.pad(targets, (1, 0))[:, :-1], targets_position)
        embedded = F.dropout(embedded, dropout_rate, self.training)
        return self.logits(self.decoder(embedded, self.decoder.read(encoded), masks, dropout_rate))

    def embed(self, tokens: torch.Tensor, positions: torch.Tensor | int | None) -> torch.Tensor:
        """Tokens (B, L) as vectors, with positions added."""
        return self.pos_encoder(self.shared_embedding(tokens), positions)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Decoded vectors to logits; the table of the embedding is the output layer."""
        return F.linear(x, self.shared_embedding.weight) / self.width**0.5

    def _mask(self, meets: torch.Tensor) -> torch.Tensor:
        """What is added to scores: 0 where `meets` is true."""
        return torch.zeros_like(meets, dtype=self.pos_encoder.pe.dtype).masked_fill(~meets, MASKED)

    def translate(self, inputs: torch.Tensor, length: int) -> torch.Tensor:
        """The best translations (B, length - 1) that a beam search finds for unpacked sentences (B, S)."""
        shape = (len(inputs), self.num_beams, length)
        found = beam_search(
            _Writer(self, inputs, length), shape, inputs.device,
            length_penalty=self.length_penalty, end_id=END_ID,
        )  # fmt: skip
        return found.sequences[:, -1, 1:]


class _Writer:
    """The decoder with its caches, for `beam_search`."""

    def __init__(self, model: _Transformer, inputs: torch.Tensor, length: int) -> None:
        self._model = model
        source = _sides(inputs, None)
        encoded = model.encoder(model.embed(inputs, None), model._mask(_meet(source, source)), 0.0)
        self._read = model.decoder.read(encoded)
        self._mask = model._mask((source > 0)[:, None, None])
        num_rows = len(inputs) * model.num_beams
        self._caches = [_Cache(num_rows, length, layer, model.width, encoded) for layer in model.decoder.decoder.layers]

    def step(self, tokens: torch.Tensor, position: int) -> torch.Tensor:
        """See `Writer.step`. Beams are queries of one row, so what was read is there once."""
        x = self._model.embed(tokens, position)
        return self._model.logits(self._model.decoder(x, self._read, (self._mask, self._mask), 0.0, self._caches))

    def reorder(self, rows: torch.Tensor, num_tokens: int) -> None:
        """See `Writer.reorder`."""
        for cache in self._caches:
            cache.reorder(rows, num_tokens)


def _sides(tokens: torch.Tensor, segments: torch.Tensor | None) -> torch.Tensor:
    """The number of the sentence that every token belongs to, from 1 on; 0 is padding."""
    return (tokens > 0).long() if segments is None else (tokens > 0) * segments


def _meet(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Where tokens of the same sentence meet: (B, 1, N, L)."""
    return ((queries[:, :, None] == keys[:, None]) & (queries > 0)[:, :, None])[:, None]


def evaluate(
    model: _Transformer, params: nn.Module, model_state: None, batch: Batch, rng: object
) -> dict[str, torch.Tensor]:
    """The best translation of every row."""
    del params, model_state, rng
    return {"translations": model.translate(batch["inputs"], batch["targets"].shape[1])}


def model_inputs(batch: Batch) -> tuple[torch.Tensor | None, ...]:
    """Tokens of both sides, and positions and segments where rows are packed."""
    names = [f"{side}{suffix}" for suffix in ("", "_position", "_segmentation") for side in ("inputs", "targets")]
    return tuple(batch.get(name) for name in names)


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return _Transformer(definition.num_classes, definition.dataset.num_tokens, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The table, which is embedding and output layer."""
    del definition
    return frozenset({"shared_embedding.weight"})
