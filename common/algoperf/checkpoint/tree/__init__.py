"""Any state as plain data: a JSON tree and a dictionary of named arrays, and back.

A submission may keep any optimizer state: pytrees, namedtuples, dicts of objects with `state_dict`, objects of its own
classes, closures with counters. The encoder walks such a value and stores all data in it. The decoder loads the data
into a *template*: the same value, newly made by the submission's own `init_optimizer_state`. The template supplies what
is not data: functions, objects of libraries, devices. No code is stored, and reading executes none, so that checkpoints
of strangers can be opened.

Everything that can be shared has a number. One object, or one piece of memory, is one again after loading; separate
ones stay separate, even where the template has one object in two places. Trees of the same encoder or decoder share
numbers: an optimizer's parameters are the model's own again.
"""

from __future__ import annotations

from typing import Any

from algoperf.checkpoint.tree.decoder import Decoder as Decoder
from algoperf.checkpoint.tree.encoder import Encoder as Encoder
from algoperf.checkpoint.tree.encoder import Node as Node
from algoperf.checkpoint.tree.leaves import Arrays as Arrays
from algoperf.checkpoint.tree.leaves import LeafCodec as LeafCodec
from algoperf.checkpoint.tree.leaves import NumpyCodec as NumpyCodec


def encode(value: Any, codecs: dict[str, LeafCodec]) -> tuple[Node, Arrays]:
    """Encode a single tree."""
    return Encoder(codecs).tree(value)


def decode(node: Node, arrays: Arrays, template: Any, codecs: dict[str, LeafCodec]) -> Any:
    """Decode a single tree."""
    return Decoder(codecs).tree(node, arrays, template)
