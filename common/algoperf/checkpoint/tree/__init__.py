"""Any state as plain data: a JSON tree and a dictionary of named arrays, and back.

Optimizer states are whatever a submission likes: pytrees, namedtuples, dicts of objects with `state_dict`,
objects of its own classes, closures that count. The encoder walks such a value and writes down everything that
is data. The decoder puts the data back into a *template*: the same value freshly made by the submission's own
`init_optimizer_state`, which supplies what is not data (functions, libraries' objects, devices). No code is
stored and none is executed on reading, so checkpoints of strangers can be opened.

Everything that can be shared has a number. What was one object, or one piece of memory, is one again; what was
not stays apart, even where the template has one object in two places. Sharing is followed from one tree to the
next of the same encoder or decoder: an optimizer's list of parameters are the model's own again.
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
    """One tree by itself."""
    return Encoder(codecs).tree(value)


def decode(node: Node, arrays: Arrays, template: Any, codecs: dict[str, LeafCodec]) -> Any:
    """The value of one tree by itself."""
    return Decoder(codecs).tree(node, arrays, template)
