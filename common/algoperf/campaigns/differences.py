"""What differs between two plans, in the words of those who made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from algoperf.campaigns.manifest import THREADS, Manifest, PlannedRun
from algoperf.errors import UserError
from algoperf.text import counted, fate

_FREE = ("campaign", "algoperf", "harness_hash", "submissions", "workloads")  # may differ, or are told otherwise
_FOLLOWS = ("--num-studies", "--num-trials")  # from the number of runs, which is told
_STAGED = ("data_hash", "image_digest")  # missing in either, as only staging knows them
_LISTED = 3  # runs that a line names
_SHOWN = 12  # differences that a message lists


def require_equal(before: Manifest, after: Manifest, what: str, remedy: str) -> None:
    """Raise UserError, with the differences, if two manifests differ."""
    lines = differences(before, after)
    if lines:
        more = f"\n  ... and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        raise UserError(f"{what}\n" + "\n".join(lines[:_SHOWN]) + f"{more}\n{remedy}")


def differences(before: Manifest, after: Manifest) -> list[str]:
    """What differs between two manifests, a line each; what only staging knows may be missing in either."""
    has_changed = before.harness_hash != after.harness_hash
    return [
        *(["  the benchmark's own code has changed since"] if has_changed else []),
        *_settings(before, after),
        *_entries("submission", before.submissions, after.submissions),
        *_entries("workload", before.workloads, after.workloads),
        *_runs(before.runs, after.runs),
    ]


def _settings(before: Manifest, after: Manifest) -> Iterator[str]:
    """Version, ruleset, folders and the like."""
    old, new = ({key: value for key, value in each.header().items() if key not in _FREE} for each in (before, after))
    yield from _changed("", dict(_flat(old)), dict(_flat(new)))


def _entries(what: str, old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Submissions or workloads: those that came, those that went, and what has changed of the others."""
    for name in {**old, **new}:
        if name not in new:
            yield f"  {what} {name}: was planned, is not given now"
        elif name not in old:
            yield f"  {what} {name}: was not planned, is given now"
        else:
            one, other = dict(_flat(old[name])), dict(_flat(new[name]))
            if any(key.startswith("files / ") and one.get(key) != other.get(key) for key in {**one, **other}):
                for key in ("hash", "cube_hash"):  # they follow from those of the files
                    one.pop(key, None), other.pop(key, None)
            yield from _changed(f"{what} {name}: ", one, other)


def _changed(title: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key in {**old, **new}:
        one, other = old.get(key), new.get(key)
        if one != other and not (key.endswith(_STAGED) and None in (one, other)):
            name = key.removeprefix("files / ").replace("_", " ") if " / " in key else key.replace("_", " ")
            name = f"threads of every run ({THREADS})" if key == "threads" else name
            told = fate(name.removesuffix(" hash"), one, other)
            yield f"  {title}{told or f'{name}: planned {_text(key, one)}, now {_text(key, other)}'}"


def _runs(before: Sequence[PlannedRun], after: Sequence[PlannedRun]) -> Iterator[str]:
    """Runs that came or went, options that differ, each told once for all runs, and another order."""
    old, new = {run.id: run for run in before}, {run.id: run for run in after}
    for text, names in (("more", [name for name in new if name not in old]),
                        ("fewer", [name for name in old if name not in new])):  # fmt: skip
        if names:
            rest = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
            yield f"  {counted(len(names), 'run')} {text} than planned: {', '.join(names[:_LISTED])}{rest}"
    both = [name for name in old if name in new]
    found: dict[tuple[str, str, str], int] = {}
    for name in both:
        for each in _of_run(old[name], new[name]):
            found[each] = found.get(each, 0) + 1
    for (what, one, other), number in found.items():
        yield f"  {what}: planned {one}, now {other} ({counted(number, 'run')})"
    if both != [name for name in new if name in old]:
        yield "  the order of the runs"


def _of_run(old: PlannedRun, new: PlannedRun) -> Iterator[tuple[str, str, str]]:
    """What differs of one run: options of its command, else its seed, hyperparameters or step."""
    one, other = _options(old.command), _options(new.command)
    options = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    for name in options:
        if name not in _FOLLOWS:
            yield name, one.get(name, "not given"), other.get(name, "not given")
    if not options:
        for name in ("command", "seed", "point", "step"):
            if getattr(old, name) != getattr(new, name):
                yield name, str(getattr(old, name)), str(getattr(new, name))


def _options(command: Sequence[str]) -> dict[str, str]:
    """The options of a command, with their values; of those without one, that they are given."""
    following = [*command[1:], ""]
    return {
        word: "given" if value.startswith("--") or not value else value
        for word, value in zip(command, following, strict=True)
        if word.startswith("--")
    }


def _flat(tree: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """All values of nested mappings, with their keys joined."""
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from _flat(value, f"{place} / {key}" if place else str(key))
    else:
        yield place, tree


def _text(key: str, value: Any) -> str:
    """A value as it is told."""
    if value is None:
        return "none"
    if key == "threads" and not value:
        return "as PyTorch and JAX choose"
    return repr(value)
