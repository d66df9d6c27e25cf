"""Random number keys for submissions: `PRNGKey`, `split`, `fold_in`, under the published names.

JAX runs use `jax.random`. PyTorch runs use seeds of two int32 words and NumPy's legacy generator. The values are
those of the AlgoPerf v0.6 rules, so seeds in published logs keep their meaning. That preserves two known weaknesses:
the first word from `fold_in` does not depend on `data`, and `split(seed, 2)` is a prefix of `split(seed, 4)`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_INT32 = 2**31 - 1
SeedType = int | list[int] | np.ndarray

_framework = "pytorch"


def use_framework(framework: str) -> None:
    """Choose the implementation for this process: 'jax', or anything else for NumPy."""
    global _framework  # noqa: PLW0603  one choice per process, made before the first trial
    _framework = framework


class _Generator(threading.local):
    """One generator per thread, reseeded for every use: making a new one costs ten times as much."""

    def __init__(self) -> None:
        self.legacy = np.random.RandomState(0)


_generator = _Generator()


def _words(seed: SeedType) -> int | tuple[int, ...]:
    # Python integers do not overflow, and a NumPy scalar must seed like the equal Python integer.
    if np.ndim(seed) == 0:
        return int(seed) % MAX_INT32  # type: ignore[arg-type]
    return tuple(int(word) % MAX_INT32 for word in np.asarray(seed, dtype=object))


def _draw(words: int | tuple[int, ...], size: list[int] | None = None) -> Any:
    _generator.legacy.seed(words)
    return _generator.legacy.randint(0, MAX_INT32, dtype=np.int32, size=size)


_draw_first_word = functools.lru_cache(_draw)  # called at every step, with the same seed


def _numpy_split(seed: SeedType, num: int = 2) -> np.ndarray:
    drawn: np.ndarray = _draw(_words(seed), [num, 2])
    return drawn


def PRNGKey(seed: int) -> Any:  # noqa: N802  the published name
    """Make a key from an integer."""
    if _framework == "jax":
        import jax

        return jax.random.PRNGKey(seed)
    return _numpy_split(seed, 2)[0]


def split(seed: Any, num: int = 2) -> Any:
    """Make `num` new keys from one."""
    if _framework == "jax":
        import jax

        return jax.random.split(seed, num)
    return _numpy_split(seed, num)


def fold_in(seed: Any, data: int) -> Any:
    """Make a new key from a key and an integer, such as a step number."""
    if _framework == "jax":
        import jax

        return jax.random.fold_in(seed, data)
    return [_draw_first_word(_words(seed)), data]


def fold_in_and_split(seed: Any, data: int, num: int) -> tuple[Any, ...]:
    """`split(fold_in(seed, data), num)`, as one compiled call in JAX, because every step needs it."""
    if _framework == "jax":
        return _compiled_fold_in_and_split(num)(seed, data)
    return tuple(split(fold_in(seed, data), num))


@functools.cache
def _compiled_fold_in_and_split(num: int) -> Callable[[Any, int], tuple[Any, ...]]:
    import jax

    return jax.jit(lambda seed, data: tuple(jax.random.split(jax.random.fold_in(seed, data), num)))
