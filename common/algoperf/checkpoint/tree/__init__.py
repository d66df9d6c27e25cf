"""Any state as plain data: a JSON tree and a dictionary of named arrays, and back.

Why not pickle? The model must be readable without code. The state of a process need not be, so we tried a pickle with
tensors kept apart (`benchmarks/checkpoint_state.py`). It needs 160 lines and replaces about 240: the model and
`algoperf check` need the rest. It has no template, so it loses what a template supplies. Locks, meshes, process groups
and compiled functions cannot be pickled; Distributed Shampoo on two devices would train without checkpoints. A hook
that `init_optimizer_state` puts on the model goes on with objects that are not the restored ones, and nothing notices.
A resumed run's pickle has other bytes than that of a run which was left alone, so tests could not compare them. The
pickle would keep four things that are refused or lost here: iterators, views made after `init_optimizer_state`,
arguments of `functools.partial`, and closures in a `LambdaLR`.

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

from algoperf.checkpoint.tree.decoder import Decoder as Decoder
from algoperf.checkpoint.tree.encoder import Encoder as Encoder
from algoperf.checkpoint.tree.encoder import Node as Node
from algoperf.checkpoint.tree.leaves import Arrays as Arrays
from algoperf.checkpoint.tree.leaves import LeafCodec as LeafCodec
from algoperf.checkpoint.tree.leaves import NumpyCodec as NumpyCodec
