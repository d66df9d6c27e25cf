"""Infers the framework of a submission from its imports."""

from __future__ import annotations

from pathlib import Path

from algoperf.errors import UserError
from algoperf.submission.imports import imported_modules
from algoperf.workload.definition import FRAMEWORKS, Framework
from algoperf_check.static.source import read_sources

_PACKAGES: dict[str, Framework] = {
    "jax": "jax",
    "flax": "jax",
    "optax": "jax",
    "chex": "jax",
    "torch": "pytorch",
    "torchvision": "pytorch",
}
_HARNESS_PARTS: dict[str, Framework] = {
    "jax_sharding_utils": "jax",
    "blocks.jax_step": "jax",
    "pytorch_utils": "pytorch",
    "blocks.torch_step": "pytorch",
}


def infer_framework(file: Path, *, required: bool) -> Framework | None:
    """The one framework that a submission imports: in its main file, otherwise in all of its files.

    If it imports none or both, the result is None, or a UserError if `required`. If a file cannot be read, it is always
    None, because that will be a finding.
    """
    sources, unreadable = read_sources(file)
    found: set[Framework] = set()
    for considered in (sources[:1], sources):
        found = {
            name
            for source in considered
            for module, level in imported_modules(source.tree)
            if not level and (name := _framework_of(module)) is not None
        }
        if len(found) == 1:
            return found.pop()
    if required and not unreadable:
        imports = " and ".join(sorted(found)) or "neither"
        raise UserError(
            f"Which framework is {file} written for? It imports {imports}. "
            f"Say --framework {' or --framework '.join(FRAMEWORKS)}, or --static-only."
        )
    return None


def _framework_of(module: str) -> Framework | None:
    package, _, rest = module.partition(".")
    if package in ("algoperf", "algorithmic_efficiency"):
        return _HARNESS_PARTS.get(rest) or _HARNESS_PARTS.get(rest.rpartition(".")[0])
    return _PACKAGES.get(package)
