"""Beam search with a cache, as one loop on the device (Sutskever et al., 2014; length penalty of Wu et al., 2016)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from algoperf.frameworks.beams import IMPOSSIBLE, length_factor

Step = Callable[[Any, jax.Array, jax.Array], tuple[jax.Array, Any]]
"""`(cache, tokens (B, beams), position) -> (logits (B, beams, V) of the following tokens, cache)`."""


class Beams(NamedTuple):
    """Sequences (B, beams, L) that begin with token 0, and their scores (B, beams). The best beam is the last one."""

    sequences: jax.Array
    scores: jax.Array


class _State(NamedTuple):
    position: jax.Array
    live: Beams
    finished: Beams
    has_ended: jax.Array  # (B, beams): whether a finished beam is one
    cache: Any


def beam_search(step: Step, cache: Any, shape: tuple[int, int, int], *, length_penalty: float, end_id: int) -> Beams:
    """Search for the best sequences of each row.

    Args:
      step: the model, given a cache whose arrays begin with the axes (B, beams).
      cache: its cache before the first token.
      shape: (B, beams, L): rows, beams, and the number of tokens, the first 0 included.
      length_penalty: exponent of `length_factor`.
      end_id: the token that ends a sequence; behind it are zeros.

    Returns the finished sequences of a row, or the unfinished ones if it has no finished one.
    """
    num_rows, num_beams, length = shape
    longest = length_factor(length, length_penalty)

    def goes_on(state: _State) -> jax.Array:
        worst = jnp.where(state.has_ended, state.finished.scores.min(axis=1, keepdims=True), IMPOSSIBLE)
        possible = state.live.scores[:, -1:] / longest
        return (state.position < length - 1) & ~jnp.all(worst > possible)

    def advance(state: _State) -> _State:
        tokens = jax.lax.dynamic_index_in_dim(state.live.sequences, state.position, 2, keepdims=False)
        logits, cache = step(state.cache, tokens, state.position)
        scores = jax.nn.log_softmax(logits) + state.live.scores[:, :, None]
        scores, places = jax.lax.top_k(scores.reshape(num_rows, -1), 2 * num_beams)
        parents, tokens = jnp.divmod(places, logits.shape[-1])
        grown = jax.lax.dynamic_update_index_in_dim(
            _rows(state.live.sequences, parents), tokens[:, :, None].astype(jnp.int32), state.position + 1, 2
        )
        ends = tokens == end_id
        live, chosen = _best(Beams(grown, scores + ends * IMPOSSIBLE), num_beams)
        done = scores / length_factor(state.position + 1, length_penalty) + ~ends * IMPOSSIBLE
        finished, kept = _best(jax.tree.map(_joined, state.finished, Beams(grown, done)), num_beams)
        cache = jax.tree.map(lambda part: _rows(part, _rows(parents, chosen)), cache)
        return _State(state.position + 1, live, finished, _rows(_joined(state.has_ended, ends), kept), cache)

    empty = jnp.zeros(shape, jnp.int32)
    nothing = jnp.full((num_rows, num_beams), IMPOSSIBLE)
    start = _State(jnp.int32(0), Beams(empty, nothing.at[:, 0].set(0.0)), Beams(empty, nothing), nothing > 0, cache)
    end = jax.lax.while_loop(goes_on, advance, start)
    any_ended = end.has_ended.any(axis=1)
    return jax.tree.map(
        lambda done, live: jnp.where(any_ended.reshape(-1, *[1] * (done.ndim - 1)), done, live), end.finished, end.live
    )


def _rows(array: jax.Array, chosen: jax.Array) -> jax.Array:
    """The beams that were chosen (B, N) of an array (B, beams, ...)."""
    return jnp.take_along_axis(array, chosen.reshape(*chosen.shape, *[1] * (array.ndim - 2)), axis=1)


def _joined(first: jax.Array, second: jax.Array) -> jax.Array:
    return jnp.concatenate([first, second], axis=1)


def _best(beams: Beams, count: int) -> tuple[Beams, jax.Array]:
    """The beams with the highest scores, the best one last, and which they are."""
    chosen = jnp.flip(jax.lax.top_k(beams.scores, count)[1], axis=1)
    return Beams(_rows(beams.sequences, chosen), _rows(beams.scores, chosen)), chosen
