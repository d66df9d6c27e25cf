"""A Transformer (Vaswani et al., 2017) that translates. Modules have their published names."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from algoperf.data.contracts import Batch
from algoperf.data.text.sentence_piece import END_ID
from algoperf.frameworks.jax.beam_search import beam_search
from algoperf.frameworks.jax.layers import ACTIVATIONS, Dropout
from algoperf.workload.definition import WorkloadDefinition

from .position import sinusoids

Layer = Callable[[jax.Array], jax.Array]
KeysValues = tuple[jax.Array, jax.Array]  # each (B, L, heads, width per head)
XAVIER = nn.initializers.xavier_uniform()
SMALL = nn.initializers.normal(1e-6)


class MultiHeadDotProductAttention(nn.Module):
    """Attention without biases, in the precision of x. As published for JAX, weights of attention are not dropped."""

    width: int
    num_heads: int
    temperature: float

    def setup(self) -> None:
        """Make the layers."""
        heads = partial(
            nn.DenseGeneral, (self.num_heads, self.width // self.num_heads), use_bias=False, kernel_init=XAVIER
        )
        self.query, self.key, self.value = heads(), heads(), heads()
        self.out = nn.DenseGeneral(self.width, axis=(-2, -1), use_bias=False, kernel_init=XAVIER)

    def keys_values(self, x: jax.Array) -> KeysValues:
        """What queries meet: of x (B, L, width)."""
        return self.key(x), self.value(x)

    def __call__(self, x: jax.Array, keys_values: KeysValues, mask: jax.Array) -> jax.Array:
        """Attend from x (B, N, width) where the mask (B or 1, 1, N or 1, L) is true; evenly if that is nowhere."""
        keys, values = keys_values
        queries = self.query(x) * (self.temperature / (self.width // self.num_heads) ** 0.5)
        scores = jnp.einsum("bnhd,blhd->bhnl", queries, keys)
        shares = jax.nn.softmax(jnp.where(mask, scores, jnp.finfo(scores.dtype).min))
        return self.out(jnp.einsum("bhnl,blhd->bnhd", shares, values))


class MlpBlock(nn.Module):
    """Two linear layers with an activation between them; with a gate, three."""

    mlp_width: int
    activation: Layer
    glu: bool

    @nn.compact
    def __call__(self, x: jax.Array, drop: Layer) -> jax.Array:
        """Transform x (..., width)."""
        dense = partial(nn.Dense, kernel_init=XAVIER, bias_init=SMALL)
        hidden = self.activation(dense(self.mlp_width)(x))
        if self.glu:
            hidden = hidden * dense(self.mlp_width)(x)
        return drop(dense(x.shape[-1])(drop(hidden)))


class _Block(nn.Module):
    """What blocks of both stacks have in common."""

    width: int
    num_heads: int
    mlp_width: int
    pre_ln: bool
    attention_temp: float
    activation: Layer
    glu: bool

    def _attention(self, number: int) -> MultiHeadDotProductAttention:
        return MultiHeadDotProductAttention(
            self.width, self.num_heads, self.attention_temp, name=f"MultiHeadDotProductAttention_{number}"
        )

    def _norm(self, number: int) -> nn.LayerNorm:
        return nn.LayerNorm(name=f"LayerNorm_{number}")

    def _mlp(self) -> MlpBlock:
        return MlpBlock(self.mlp_width, self.activation, self.glu, name="MlpBlock_0")

    def _add(self, x: jax.Array, norm: Layer, layer: Layer) -> jax.Array:
        """A layer with a residual connection, normalised before it or behind."""
        return x + layer(norm(x)) if self.pre_ln else norm(x + layer(x))


class EncoderBlock(_Block):
    """Self-attention, then the MLP."""

    def setup(self) -> None:
        """Make the layers."""
        self.norms = [self._norm(number) for number in range(2)]
        self.attention, self.mlp = self._attention(0), self._mlp()

    def __call__(self, x: jax.Array, mask: jax.Array, drop: Layer) -> jax.Array:
        """Transform x (B, S, width)."""
        x = self._add(x, self.norms[0], lambda y: drop(self.attention(y, self.attention.keys_values(y), mask)))
        return self._add(x, self.norms[1], lambda y: self.mlp(y, drop))


class DecoderBlock(_Block):
    """Self-attention, attention to the encoded sentence, then the MLP."""

    def setup(self) -> None:
        """Make the layers."""
        self.norms = [self._norm(number) for number in range(3)]
        self.attention, self.cross, self.mlp = self._attention(0), self._attention(1), self._mlp()

    def read(self, encoded: jax.Array) -> KeysValues:
        """What this block knows of the encoded sentence (B, S, width)."""
        return self.cross.keys_values(encoded)

    def __call__(
        self, x: jax.Array, read: KeysValues, masks: tuple[jax.Array, jax.Array], drop: Layer, own: Layer | None = None
    ) -> jax.Array:
        """Transform x (B, T, width). `masks` are those of self-attention and of attention to what was read.

        `own` replaces self-attention: with a cache, x is one token of each beam.
        """
        if own is None:
            own = partial(self.attend_all, mask=masks[0])
        x = self._add(x, self.norms[0], lambda y: drop(own(y)))
        x = self._add(x, self.norms[1], lambda y: drop(self.cross(y, read, masks[1])))
        return self._add(x, self.norms[2], lambda y: self.mlp(y, drop))

    def attend_all(self, y: jax.Array, mask: jax.Array) -> jax.Array:
        """Self-attention of whole sentences."""
        return self.attention(y, self.attention.keys_values(y), mask)

    def step(
        self, x: jax.Array, read: KeysValues, mask: jax.Array, cache: KeysValues, position: jax.Array
    ) -> tuple[jax.Array, KeysValues]:
        """One token of each beam, x (B, beams, width), given the cache, each (B, beams, L, heads, ...)."""
        new: list[KeysValues] = []

        def own(y: jax.Array) -> jax.Array:
            added = self.attention.keys_values(y[:, :, None])
            written = jax.tree.map(lambda old, part: jax.lax.dynamic_update_slice_in_dim(old, part, position, 2),
                                   cache, added)  # fmt: skip
            new.append(written)
            flat = jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:]), written)
            seen = (jnp.arange(cache[0].shape[2]) <= position)[None, None, None]
            return self.attention(y.reshape(-1, 1, y.shape[-1]), flat, seen).reshape(y.shape)

        x = self(x, read, (mask, mask), lambda y: y, own)
        return x, new[0]


class Encoder(nn.Module):
    """The stack that reads."""

    num_layers: int
    pre_ln: bool
    block: Callable[..., EncoderBlock]

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, drop: Layer) -> jax.Array:
        """Transform x (B, S, width)."""
        for number in range(self.num_layers):
            x = self.block(name=f"encoderblock_{number}")(x, mask, drop)
        return nn.LayerNorm(name="encoder_layernorm")(x) if self.pre_ln else x


class Decoder(nn.Module):
    """The stack that writes."""

    num_layers: int
    pre_ln: bool
    block: Callable[..., DecoderBlock]

    def setup(self) -> None:
        """Make the layers."""
        self.blocks = [self.block(name=f"encoderdecoderblock_{number}") for number in range(self.num_layers)]
        if self.pre_ln:
            self.norm = nn.LayerNorm(name="encoderdecoder_layernorm")

    def read(self, encoded: jax.Array) -> list[KeysValues]:
        """What the blocks know of the encoded sentence."""
        return [block.read(encoded) for block in self.blocks]

    def __call__(
        self, x: jax.Array, read: list[KeysValues], masks: tuple[jax.Array, jax.Array], drop: Layer
    ) -> jax.Array:
        """Transform x (B, T, width)."""
        for block, part in zip(self.blocks, read, strict=True):
            x = block(x, part, masks, drop)
        return self.norm(x) if self.pre_ln else x

    def step(
        self, x: jax.Array, read: list[KeysValues], mask: jax.Array, cache: list[KeysValues], position: jax.Array
    ) -> tuple[jax.Array, list[KeysValues]]:
        """One token of each beam, and the cache with it."""
        written = []
        for block, part, old in zip(self.blocks, read, cache, strict=True):
            x, new = block.step(x, part, mask, old, position)
            written.append(new)
        return self.norm(x) if self.pre_ln else x, written


class Encoded(NamedTuple):
    """A batch of sentences that were read: keys and values for each block, and the mask (B, 1, 1, S)."""

    read: list[KeysValues]
    mask: jax.Array


class _Transformer(nn.Module):
    vocab_size: int
    num_tokens: int
    width: int
    num_heads: int
    num_layers: int
    mlp_width: int
    pre_ln: bool
    attention_temp: float
    activation: str
    glu: bool
    num_beams: int
    length_penalty: float

    def setup(self) -> None:
        """Make the layers."""
        block = {
            "width": self.width,
            "num_heads": self.num_heads,
            "mlp_width": self.mlp_width,
            "pre_ln": self.pre_ln,
            "attention_temp": self.attention_temp,
            "activation": ACTIVATIONS[self.activation],
            "glu": self.glu,
        }
        self.shared_embedding = nn.Embed(self.vocab_size, self.width, embedding_init=nn.initializers.normal(1.0))
        self.encoder = Encoder(self.num_layers, self.pre_ln, partial(EncoderBlock, **block))
        self.decoder = Decoder(self.num_layers, self.pre_ln, partial(DecoderBlock, **block))
        self.dropout = Dropout()

    def __call__(
        self,
        inputs: jax.Array,
        targets: jax.Array,
        inputs_position: jax.Array | None,
        targets_position: jax.Array | None,
        inputs_segmentation: jax.Array | None,
        targets_segmentation: jax.Array | None,
        train: bool,
        dropout_rate: float | jax.Array,
    ) -> jax.Array:
        """Source and target tokens (B, L), of packed rows with positions and segments, to logits (B, L, vocab_size)."""

        def drop(x: jax.Array) -> jax.Array:
            return self.dropout(x, dropout_rate, deterministic=not train)

        source, target = _sides(inputs, inputs_segmentation), _sides(targets, targets_segmentation)
        encoded = self.encoder(drop(self._embed(inputs, inputs_position)), _mask(source, source), drop)
        causal = jnp.tril(jnp.ones((targets.shape[1],) * 2, bool))
        shifted = jnp.pad(targets, ((0, 0), (1, 0)))[:, :-1]
        masks = _mask(target, target) & causal, _mask(target, source)
        decoded = self.decoder(drop(self._embed(shifted, targets_position)), self.decoder.read(encoded), masks, drop)
        return self._logits(decoded)

    def read(self, inputs: jax.Array) -> Encoded:
        """Read unpacked sentences (B, S)."""
        source = _sides(inputs, None)
        encoded = self.encoder(self._embed(inputs, None), _mask(source, source), lambda x: x)
        return Encoded(self.decoder.read(encoded), (inputs > 0)[:, None, None])

    def step(
        self, tokens: jax.Array, encoded: Encoded, cache: list[KeysValues], position: jax.Array
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Logits (B, beams, vocab_size) of the token that follows `tokens` (B, beams) at `position`."""
        x = self._embed(tokens, jnp.full_like(tokens, position))
        x, cache = self.decoder.step(x, encoded.read, encoded.mask, cache, position)
        return self._logits(x), cache

    def empty_cache(self, batch_size: int, length: int) -> list[KeysValues]:
        """Room for keys and values of so many tokens of every beam."""
        shape = (batch_size, self.num_beams, length, self.num_heads, self.width // self.num_heads)
        return [(jnp.zeros(shape), jnp.zeros(shape)) for _ in range(self.num_layers)]

    def _embed(self, tokens: jax.Array, positions: jax.Array | None) -> jax.Array:
        table = jnp.asarray(sinusoids(self.num_tokens, self.width), self.shared_embedding.embedding.dtype)
        places = table[: tokens.shape[1]] if positions is None else table[positions]
        return self.shared_embedding(tokens.astype(jnp.int32)) + places

    def _logits(self, x: jax.Array) -> jax.Array:
        return self.shared_embedding.attend(x) / jnp.sqrt(jnp.asarray(self.width, x.dtype))


def _sides(tokens: jax.Array, segments: jax.Array | None) -> jax.Array:
    """The number of the sentence that every token belongs to, from 1 on; 0 is padding."""
    return (tokens > 0).astype(jnp.int32) * (1 if segments is None else segments)


def _mask(queries: jax.Array, keys: jax.Array) -> jax.Array:
    """Where tokens of the same sentence meet: (B, 1, N, L)."""
    return ((queries[:, :, None] == keys[:, None]) & (queries > 0)[:, :, None])[:, None]


def translate(model: _Transformer, params: Any, inputs: jax.Array, length: int) -> jax.Array:
    """The best translations (B, length - 1) that a beam search finds."""
    variables = {"params": params}
    encoded = model.apply(variables, inputs, method="read")

    def step(cache: Any, tokens: jax.Array, position: jax.Array) -> tuple[jax.Array, Any]:
        return model.apply(variables, tokens, encoded, cache, position, method="step")

    found = beam_search(
        step, model.empty_cache(len(inputs), length), (len(inputs), model.num_beams, length),
        length_penalty=model.length_penalty, end_id=END_ID,
    )  # fmt: skip
    return found.sequences[:, -1, 1:]


def evaluate(model: _Transformer, params: Any, model_state: Any, batch: Batch, rng: Any) -> dict[str, jax.Array]:
    """The best translation of every row."""
    del model_state, rng
    return {"translations": translate(model, params, batch["inputs"], batch["targets"].shape[1])}


def model_inputs(batch: Batch) -> tuple[jax.Array | None, ...]:
    """Tokens of both sides, and positions and segments where rows are packed."""
    names = [f"{side}{suffix}" for suffix in ("", "_position", "_segmentation") for side in ("inputs", "targets")]
    return tuple(batch.get(name) for name in names)


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return _Transformer(vocab_size=definition.num_classes, num_tokens=definition.dataset.num_tokens, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The top-level group of the table, which is embedding and output layer."""
    del definition
    return frozenset({"shared_embedding"})
