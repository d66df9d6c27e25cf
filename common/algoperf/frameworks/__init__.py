"""The two framework bindings. They never import each other; only the one in use is imported."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING

from algoperf import random_utils
from algoperf.errors import AlgoperfError, UserError, unknown

if TYPE_CHECKING:
    from algoperf.frameworks.backend import Backend

_MODULES = {"jax": "algoperf.frameworks.jax.backend", "pytorch": "algoperf.frameworks.torch.backend"}
_PACKAGES = {"jax": ("jax", "flax"), "pytorch": ("torch",)}


def load_backend(name: str) -> Backend:
    """The binding of a framework, ready for use in this process. UserError if it is not installed."""
    if name not in _MODULES:
        raise unknown("framework", name, _MODULES)
    missing = [package for package in _PACKAGES[name] if importlib.util.find_spec(package) is None]
    if missing:
        raise UserError(
            f"The framework {name} is not installed (missing: {', '.join(missing)}). "
            f"Install it with: pip install 'algoperf[{name}]'"
        )
    random_utils.use_framework(name)
    backend: Backend = importlib.import_module(_MODULES[name]).start()
    return backend


def visible_gpus() -> int:
    """GPUs that PyTorch can use; 0 if it is not installed. Asks another process, so that this one stays small."""
    if importlib.util.find_spec("torch") is None:
        return 0
    asked = [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AlgoperfError(f"PyTorch cannot be asked for its GPUs:\n{done.stderr.strip()}")
    return int(done.stdout.split()[-1])
