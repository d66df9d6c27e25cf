"""Many tensors as one: what `torch._foreach_` functions need, so that a rule for a tensor is one for a list of them.

Starting a kernel takes longer than an operation on most parameters takes a GPU. The functions start one kernel for many
tensors; on a CPU they are loops over the same operations, with the same results.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import torch

# Longer lists gain nothing, because computing takes longer than starting, and intermediate results need memory. On a
# CPU these should fit the caches: lists of 64 MiB took 1.3 times as long as single tensors for the update of ResNet-18.
CPU_LIST_BYTES, LIST_BYTES = 2**20, 64 * 2**20


class Tensors:
    """Tensors on one device and of one type, on which an operation is done at once.

    `a.lerp(b, 0.1)` is `torch._foreach_lerp(a, b, 0.1)`, and so on: all functions of that family are methods, and those
    whose name ends with "_" work in place and return their object. Arguments are numbers, tensors with one number,
    `Tensors` of the same shapes, or sequences with a number or a tensor for each.

    Attributes:
      each: the tensors.
    """

    def __init__(self, each: Iterable[torch.Tensor]) -> None:
        self.each = tuple(each)

    def __getattr__(self, name: str) -> Callable[..., Tensors]:
        function = None if name.startswith("_") else getattr(torch, f"_foreach_{name}", None)
        if function is None:
            raise AttributeError(f"There is no torch._foreach_{name}; see Tensors.map.")

        def method(*arguments: Any, **options: Any) -> Tensors:
            result = function(self.each, *(a.each if isinstance(a, Tensors) else a for a in arguments), **options)
            return self if name.endswith("_") else Tensors(result)

        return method

    def __add__(self, other: Any) -> Tensors:
        return self.add(other)

    def __sub__(self, other: Any) -> Tensors:
        return self.sub(other)

    def __mul__(self, other: Any) -> Tensors:
        return self.mul(other)

    def __truediv__(self, other: Any) -> Tensors:
        return self.div(other)

    def map(self, function: Callable[..., torch.Tensor], *others: Tensors) -> Tensors:
        """The results of a function on each tensor, and those of `others` beside it."""
        return Tensors(map(function, self.each, *(other.each for other in others)))

    def stack(self) -> torch.Tensor:
        """One tensor of all: (number of tensors, ...), where ... is their shape."""
        return torch.stack(self.each)


class States(MutableMapping[str, Any]):
    """The states of many parameters as one: a tensor in each is `Tensors`, a number is the same in all.

    Attributes:
      each: the states, whose `names_and_numbers` are the same.
    """

    def __init__(self, each: Sequence[dict[str, Any]]) -> None:
        self.each = each

    def __getitem__(self, name: str) -> Any:
        values = [state[name] for state in self.each]
        return Tensors(values) if isinstance(values[0], torch.Tensor) else values[0]

    def __setitem__(self, name: str, value: Any) -> None:
        values = value.each if isinstance(value, Tensors) else [value] * len(self.each)
        for state, own in zip(self.each, values, strict=True):
            state[name] = own

    def __delitem__(self, name: str) -> None:
        for state in self.each:
            del state[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.each[0])

    def __len__(self) -> int:
        return len(self.each[0])


def gradients(params: Tensors) -> Tensors:
    """The gradients of parameters, all of which have one."""
    return params.map(lambda param: param.grad)


def names_and_numbers(state: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """What the states of one list share: the names, and what is not a tensor, such as the number of updates."""
    return tuple((name, None if isinstance(value, torch.Tensor) else value) for name, value in state.items())


def lists_of(
    tensors: Iterable[torch.Tensor], kind: Callable[[torch.Tensor], Hashable] = lambda tensor: None
) -> Iterator[Tensors]:
    """Tensors in lists: on the same device, of the same type, and of the same further kind.

    A list has at most `LIST_BYTES`, or `CPU_LIST_BYTES`; a larger tensor is alone in its list.
    """
    alike: dict[Hashable, list[torch.Tensor]] = {}
    for tensor in tensors:
        alike.setdefault((tensor.device, tensor.dtype, kind(tensor)), []).append(tensor)
    for same in alike.values():
        yield from map(Tensors, _cut(same))


def _cut(tensors: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    limit = CPU_LIST_BYTES if tensors[0].is_cpu else LIST_BYTES
    some, num_bytes = [tensors[0]], tensors[0].nbytes
    for tensor in tensors[1:]:
        if num_bytes + tensor.nbytes > limit:
            yield some
            some, num_bytes = [], 0
        some.append(tensor)
        num_bytes += tensor.nbytes
    yield some
