"""The rules whose breaches only show while a submission runs: sections 13 to 16 of `docs/rules.md`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from algoperf_check.findings import Level, Rule

_Row = tuple[str, Level, str, str]
"""Number, level, title, remedy. The reason is given per section."""

_INTERFACE = "The harness calls the functions of the API by their signatures, on every workload, unattended."
_OBJECTS = "Model and records are the harness's; a submission changes the values of parameters and nothing else."
_REPRODUCIBLE = (
    "A result counts if it is reproducible: from the same seed, after an interruption, on a workload without a name."
)
_MEMORY = "A submission must fit into the memory of the benchmark's devices on all scored workloads."


def _section(why: str, *rows: _Row) -> list[Rule]:
    return [Rule(number, title, level, why, remedy) for number, level, title, remedy in rows]


_TABLE = [
    *_section(
        _INTERFACE,
        ("13.1", "error", "It cannot be loaded", "Define the functions of the API, importable without data."),
        ("13.2", "error", "A function does not take its arguments", "Use the names that docs/submissions.md lists."),
        ("13.3", "error", "No usable batch size", "Return a positive multiple of the number of devices."),
        ("13.4", "warning", "get_eval_batch_size is never called", "Remove it: the benchmark chooses how to evaluate."),
        ("13.5", "error", "It fails on a tiny workload", "Handle all loss types, pairs, masks, models without state."),
        ("13.6", "error", "Its process died or did not finish", "Raise errors; never exit, never wait."),
        ("13.7", "error", "It fails on a workload at scale mini", "Run `algoperf smoke` and read the log."),
        ("13.8", "warning", "It misses a target at scale mini", "Baselines reach it: the log may say why."),
    ),
    *_section(
        _OBJECTS,
        ("14.1", "error", "Parameters or model state change their structure", "Keep names, shapes and dtypes."),
        ("14.2", "error", "Parameters or metrics are not finite", "Six steps from a fresh model must stay finite."),
        ("14.3", "error", "eval_results is modified", "Copy what you want to keep."),
        ("14.4", "error", "The harness saw a breach of the rules", "docs/integrity.md says what is watched."),
    ),
    *_section(
        _REPRODUCIBLE,
        ("15.1", "error", "The same seed gives a different result", "Draw from the rng argument or global generators."),
        (
            "15.2",
            "error",
            "Its state cannot be saved and restored",
            "Let init_optimizer_state make everything that is not data; docs/records.md says what is.",
        ),
        (
            "15.3",
            "error",
            "It trains differently after restoring a checkpoint",
            "Keep what steps share in the optimizer state, and nothing in globals.",
        ),
        (
            "15.4",
            "error",
            "It trains differently under other names",
            "Decide by shapes and types, never by the names of workload and parameters, or by targets.",
        ),
        (
            "15.5",
            "warning",
            "It trains differently if parameters come in another order",
            "Fine for random numbers that are drawn per parameter; a human will look.",
        ),
    ),
    *_section(
        _MEMORY,
        ("16.1", "error", "Its state is estimated not to fit", "Keep less per parameter, or split it over devices."),
        ("16.2", "warning", "Its state leaves little room", "Activations also need memory: try it at full scale."),
    ),
]

RULES: Mapping[str, Rule] = MappingProxyType({rule.number: rule for rule in _TABLE})
