"""Which objects of a state are data, which are code, and which classes a checkpoint may name."""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import fractions
import itertools
import os
import random
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

from algoperf import spec
from algoperf.errors import CheckpointMismatch
from algoperf.submission.loading import SUBMISSION_PACKAGE

# Objects of these libraries are machinery (loggers, devices, compiled functions), not state.
_LIBRARIES = {*sys.stdlib_module_names, "algoperf", "algoperf_check", "jax", "jaxlib", "numpy", "torch"}
_CODE = (type, types.ModuleType, types.BuiltinFunctionType, spec.Workload, os.PathLike)
# Values without attributes whose text shows whether they have changed.
_BY_TEXT = (
    decimal.Decimal, fractions.Fraction, datetime.date, datetime.time, datetime.timedelta,
    itertools.count, range, slice, bytearray, np.ndarray,
)  # fmt: skip
_BIT_GENERATORS = {"PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"}
_MAPPINGS = {"builtins.dict", "collections.OrderedDict", "flax.core.frozen_dict.FrozenDict"}
SEQUENCES = {kind.__name__: kind for kind in (list, tuple, set, frozenset, collections.deque)}
GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)


def join(path: str, name: Any) -> str:
    """The path of a part of what lies at `path`."""
    return f"{path}/{name}" if path else str(name)


def type_name(value: Any) -> str:
    """Full name of a value's class."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


def is_namedtuple(value: Any) -> bool:
    """Whether a value is a tuple with named fields."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def is_stateful(value: Any) -> bool:
    """Whether a value has `state_dict` and `load_state_dict`, as optimizers and modules of torch do."""
    methods = (getattr(value, "state_dict", None), getattr(value, "load_state_dict", None))
    return not isinstance(value, type) and all(callable(method) for method in methods)


def is_module(value: Any) -> bool:
    """Whether a value is a torch module."""
    return hasattr(value, "named_parameters")


def state_of(value: Any) -> dict[Any, Any] | None:
    """The state of an object with `state_dict`; of a module with the parameters themselves, not copies of them.

    None if `state_dict` is not implemented: Distributed Shampoo raises NotImplementedError.
    """
    try:
        state: dict[Any, Any] = value.state_dict(keep_vars=True) if is_module(value) else value.state_dict()
    except NotImplementedError:
        return None
    return state


def is_walkable(value: Any) -> bool:
    """Whether a value's attributes are its state: dataclasses, namespaces, objects of the submission's classes."""
    if isinstance(value, _CODE):
        return False
    if dataclasses.is_dataclass(value) or isinstance(value, types.SimpleNamespace):
        return True
    module = type(value).__module__
    is_library = module.split(".")[0] in _LIBRARIES and not module.startswith("algoperf.blocks")
    return not is_library and (hasattr(value, "__dict__") or bool(_slots(type(value))))


def attributes_of(value: Any) -> dict[str, Any]:
    """Attributes by name, from `__dict__` and `__slots__`."""
    slots = {name: getattr(value, name) for name in _slots(type(value)) if hasattr(value, name)}
    found = {**getattr(value, "__dict__", {}), **slots}
    return {name: item for name, item in found.items() if not is_special(name)}


def unchanged(new: Any, old: Any, depth: int = 8) -> bool:
    """Whether a restored value is certainly what the template had: the same objects in the same places."""
    if new is old or (isinstance(new, (int, float, str)) and repr(new) == repr(old)):
        return True
    if depth == 0 or type(new) is not type(old) or not isinstance(new, (dict, list, tuple)) or len(new) != len(old):
        return False
    if isinstance(new, dict):
        return list(new) == list(old) and all(unchanged(new[key], old[key], depth - 1) for key in new)
    return all(unchanged(*pair, depth - 1) for pair in zip(new, old, strict=True))


def _slots(cls: type) -> list[str]:
    declared = [vars(base).get("__slots__", ()) for base in cls.__mro__]
    names = [name for slots in declared for name in ([slots] if isinstance(slots, str) else slots)]
    return [name for name in names if not is_special(name)]


def is_special(name: str) -> bool:
    """Whether a name is one of Python's own."""
    return name.startswith("__") and name.endswith("__")


def text_of(value: Any) -> str | None:
    """The text that shows whether a value without attributes has changed; None if there is none."""
    return repr(value) if isinstance(value, _BY_TEXT) else None


def cell_contents(function: types.FunctionType) -> dict[str, Any]:
    """The values in a closure by name, without cells that are still empty."""
    contents = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            contents[name] = cell.cell_contents
        except ValueError:
            continue
    return contents


def generator_state(generator: Any) -> Any:
    """The state of one of GENERATORS, as plain data."""
    if isinstance(generator, random.Random):
        return generator.getstate()
    return dict(
        generator.bit_generator.state if isinstance(generator, np.random.Generator) else generator.get_state(False)
    )


def restored_generator(kind: str, state: Any, template: Any) -> Any:
    """A generator in the given state: `template` if it is of that kind."""
    if kind == "random.Random":
        python = template if isinstance(template, random.Random) else random.Random()
        python.setstate(state)
        return python
    if kind == "numpy.random.mtrand.RandomState":
        old = template if isinstance(template, np.random.RandomState) else np.random.RandomState()
        old.set_state(state)
        return old
    name = state["bit_generator"]
    if name not in _BIT_GENERATORS:
        raise CheckpointMismatch(f"There is no random generator {name!r}.")
    known = isinstance(template, np.random.Generator) and template.bit_generator.state["bit_generator"] == name
    generator = template if known else np.random.Generator(getattr(np.random, name)())
    generator.bit_generator.state = state
    return generator


def restored_mapping(kind: str, items: dict[Any, Any], template: Any, path: str) -> Any:
    """A mapping of the saved kind; like the template, if that is of the kind."""
    if kind == "builtins.dict":
        return items
    if isinstance(template, collections.abc.Mapping) and type_name(template) == kind:
        if not isinstance(template, dict):
            return type(template)(items)  # type: ignore[call-arg]
        filled = template.copy()  # keeps a defaultdict's factory
        filled.clear()
        filled.update(items)
        return filled
    if kind not in _MAPPINGS:
        raise CheckpointMismatch(f"{path} was a {kind}, which can be remade only if init_optimizer_state makes one.")
    return known_class(kind, path, collections.abc.Mapping)(items)


def known_class(name: str, path: str, base: type = object) -> Any:
    """A class that only the checkpoint names, found in the modules that are already loaded.

    The file may come from anybody. So few classes are allowed, and no code of theirs is run to make objects: subclasses
    of `base` if that is given; else dataclasses, and plain classes in the submission's folder.
    """
    found = _loaded_class(name)
    if found is not None and issubclass(found, base) and (base is not object or _is_harmless(found)):
        return found
    raise CheckpointMismatch(
        f"{path} was saved as a {name}. That is no class of the submission, and init_optimizer_state does not "
        "make one there."
    )


def make_empty(cls: Any) -> Any:
    """An object of a class that `known_class` found, without running the class's code."""
    return types.SimpleNamespace() if cls is types.SimpleNamespace else object.__new__(cls)


def _loaded_class(name: str) -> type | None:
    parts = name.split(".")
    for split_at in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:split_at]))
        found: Any = module
        for part in parts[split_at:]:
            found = vars(found).get(part) if isinstance(found, (type, types.ModuleType)) else None
        if isinstance(found, type):
            return found
    return None


def _is_harmless(cls: type) -> bool:
    if hasattr(cls, "__del__") or issubclass(cls, (type, BaseException)):
        return False
    return dataclasses.is_dataclass(cls) or cls is types.SimpleNamespace or _is_of_submission(cls)


def _is_of_submission(cls: type) -> bool:
    package = sys.modules.get(SUBMISSION_PACKAGE)
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return package is not None and file is not None and Path(file).is_relative_to(package.__path__[0])


def enum_member(name: str, member: str, template: Any, path: str) -> Any:
    """The member of an enumeration that the template has or that is loaded."""
    cls = type(template) if type_name(template) == name else known_class(name, path, enum.Enum)
    if member not in cls.__members__:
        raise CheckpointMismatch(f"{path} was {name}.{member}, which does not exist now.")
    return cls.__members__[member]
