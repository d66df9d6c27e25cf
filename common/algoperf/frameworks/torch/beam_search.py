"""Beam search with a cache (Sutskever et al., 2014; length penalty of Wu et al., 2016), all of it on the device."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch

from algoperf.frameworks.beams import IMPOSSIBLE, length_factor

CHECKED_EVERY = 8  # steps; looking whether the search is over waits for the device


class Writer(Protocol):
    """A model with a cache."""

    def step(self, tokens: torch.Tensor, position: int) -> torch.Tensor:
        """Logits (B, beams, V) of what follows tokens (B, beams); the cache grows."""
        ...

    def reorder(self, rows: torch.Tensor, num_tokens: int) -> None:
        """Let beam i of all B * beams go on from what beam rows[i] has written, so many tokens."""
        ...


class Beams(NamedTuple):
    """Sequences (B, beams, L) that begin with token 0, and their scores (B, beams). The best beam is the last one."""

    sequences: torch.Tensor
    scores: torch.Tensor


def beam_search(
    writer: Writer, shape: tuple[int, int, int], device: torch.device, *, length_penalty: float, end_id: int
) -> Beams:
    """Search for the best sequences of each row.

    Args:
      writer: the model before the first token.
      shape: (B, beams, L): rows, beams, and the number of tokens, the first 0 included.
      device: where the model is.
      length_penalty: exponent of `length_factor`.
      end_id: the token that ends a sequence; behind it are zeros.

    Returns the finished sequences of a row, or the unfinished ones if it has no finished one. A few steps may follow
    the last one that counts; what is finished stays as it was.
    """
    num_rows, num_beams, length = shape
    longest = length_factor(length, length_penalty)
    empty = torch.zeros(shape, dtype=torch.long, device=device)
    nothing = torch.full((num_rows, num_beams), IMPOSSIBLE, device=device)
    first = nothing.clone()
    first[:, 0] = 0.0
    live, finished, has_ended = Beams(empty, first), Beams(empty, nothing), torch.zeros_like(nothing, dtype=torch.bool)
    firsts = torch.arange(num_rows, device=device)[:, None] * num_beams
    for position in range(length - 1):
        worst = torch.where(has_ended, finished.scores.amin(dim=1, keepdim=True), IMPOSSIBLE)
        is_over = (worst > live.scores[:, -1:] / longest).all()
        if position % CHECKED_EVERY == 0 and bool(is_over):
            break
        logits = writer.step(live.sequences[:, :, position], position)
        scores = logits.log_softmax(dim=-1) + live.scores[:, :, None]
        scores, places = scores.flatten(1).topk(2 * num_beams)
        parents, tokens = places // logits.shape[-1], places % logits.shape[-1]
        grown = _rows(live.sequences, parents)
        grown[:, :, position + 1] = tokens
        ends = tokens == end_id
        live, chosen = _best(Beams(grown, scores + ends * IMPOSSIBLE), num_beams)
        done = scores / length_factor(position + 1, length_penalty) + ~ends * IMPOSSIBLE
        both = Beams(*(torch.cat(pair, dim=1) for pair in zip(finished, (grown, done), strict=True)))
        better, kept = _best(both, num_beams)
        ended = _rows(torch.cat((has_ended, ends), dim=1), kept)
        finished = Beams(*(torch.where(is_over, old, new) for old, new in zip(finished, better, strict=True)))
        has_ended = torch.where(is_over, has_ended, ended)
        writer.reorder((firsts + _rows(parents, chosen)).flatten(), position + 1)
    any_ended = has_ended.any(dim=1, keepdim=True)
    return Beams(
        torch.where(any_ended[:, :, None], finished.sequences, live.sequences),
        torch.where(any_ended, finished.scores, live.scores),
    )


def _rows(tensor: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The beams that were chosen (B, N) of a tensor (B, beams, ...)."""
    index = chosen.reshape(*chosen.shape, *[1] * (tensor.ndim - 2)).expand(*chosen.shape, *tensor.shape[2:])
    return tensor.gather(1, index)


def _best(beams: Beams, count: int) -> tuple[Beams, torch.Tensor]:
    """The beams with the highest scores, the best one last, and which they are."""
    chosen = beams.scores.topk(count).indices.flip(1)
    return Beams(_rows(beams.sequences, chosen), _rows(beams.scores, chosen)), chosen
