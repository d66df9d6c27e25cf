"""Random generators that depend on names and numbers only, never on the process or on hash()."""

from __future__ import annotations

import hashlib
import json

import numpy as np


def keyed_generator(*key: str | int) -> np.random.Generator:
    """A separate generator for every key, e.g. `keyed_generator("order", seed, epoch)`.

    Philox is specified bit by bit and keyed by SHA-256, so the streams are the same on every machine and
    independent of each other, however similar the keys.
    """
    digest = hashlib.sha256(json.dumps(key).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
