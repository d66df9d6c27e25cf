"""Section 9: ruleset, search space, and the hyperparameters that the code reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import algoperf.blocks
from algoperf.errors import UserError
from algoperf.submission.loading import OLDER_NAME
from algoperf.text import counted
from algoperf.tuning.search_space import SearchSpace, load_search_space
from algoperf_check.findings import Finding
from algoperf_check.request import ruleset_folder
from algoperf_check.rules import RULES
from algoperf_check.static.analysis import Analysis, shown
from algoperf_check.static.names import HYPERPARAMETERS

_METHODS = ("_asdict", "_fields", "_replace", "count", "index")
_BLOCKS = "algoperf.blocks"


def check(analysis: Analysis) -> Iterator[Finding]:
    """All findings of the section."""
    request = analysis.request
    file = request.search_space
    if request.ruleset == "self":
        if file.is_file():
            rule = "9.1" if ruleset_folder(request.folder) == "self" else "9.2"
            yield Finding(RULES[rule], f"{file.name} is there.", file.name)
        yield from _under_self_tuning(analysis)
        return
    others = sorted(path.name for path in request.folder.glob("*search_space*.json") if path != file)
    if others:
        yield Finding(RULES["9.6"], f"There is {', '.join(others)}, too; only {file.name} is used.", others[0])
    if not file.is_file():
        yield Finding(RULES["9.3"], f"There is no {file.name} in {request.folder}.")
        return
    try:
        space = load_search_space(file)
    except UserError as error:
        yield Finding(RULES["9.5"], str(error).replace(f"{file.parent}/", ""), file.name)
        return
    yield from _content(analysis, space, file)
    yield from _unused_and_missing(analysis, _keys(space), file)


def _keys(space: SearchSpace) -> list[str]:
    return list(space[0] if isinstance(space, list) else space)


def _content(analysis: Analysis, space: SearchSpace, file: Path) -> Iterator[Finding]:
    trials = analysis.request.version.num_trials
    if isinstance(space, list) and len(space) != trials:
        what = (
            f"It lists {counted(len(space), 'point')}; a study of {analysis.request.version.name} has "
            f"{counted(trials, 'trial')}."
        )
        yield Finding(RULES["9.4"], what, file.name)
    named = [key for key in _keys(space) if analysis.facts.is_name(key)]
    if named:
        yield Finding(
            RULES["2.1"], f"Entries of the search space are named as workloads: {', '.join(named)}.", file.name
        )


def _unused_and_missing(analysis: Analysis, keys: list[str], file: Path) -> Iterator[Finding]:
    optional = _asked_for(analysis)
    reported: set[str] = set()
    for node in _reads(analysis):
        if node.attr not in (*keys, *optional, *reported):
            reported.add(node.attr)
            what = f"{shown(node)} is read, but {file.name} has only: {', '.join(keys)}."
            yield analysis.finding("9.7", node, what)
    mentioned = _mentioned(analysis) | _applied_by_the_harness(analysis)
    for key in keys:
        if key not in mentioned:
            yield Finding(RULES["9.8"], f"{key!r} is nowhere in the code.", file.name)


def _reads(analysis: Analysis) -> Iterator[ast.Attribute]:
    """Reads of attributes of `hyperparameters`, unless the name was rebound."""
    for node in analysis.project.nodes(ast.Attribute):
        if analysis.names(node.value) != HYPERPARAMETERS or node.attr in _METHODS or not isinstance(node.ctx, ast.Load):
            continue
        bindings = analysis.project.bindings(node.value) if isinstance(node.value, ast.Name) else []
        if all(binding.kind == "parameter" for binding in bindings):
            yield node


def _asked_for(analysis: Analysis) -> set[str | None]:
    """Optional hyperparameters: read with `hasattr`, or with `getattr` and a default."""
    return {
        analysis.text(call.args[1])
        for call in analysis.project.calls()
        if len(call.args) >= 2
        and (name := analysis.names(call.func)) in ("hasattr", "getattr")
        and len(call.args) + (name == "hasattr") == 3
    }


def _mentioned(analysis: Analysis) -> set[str]:
    """All names and strings in the code and, if it imports them, in the building blocks."""
    trees: list[ast.AST] = [file.source.tree for file in analysis.project.files]
    if any(_BLOCKS in ast.unparse(node) for node in analysis.project.nodes(ast.ImportFrom, ast.Import)):
        folder = Path(next(iter(algoperf.blocks.__path__)))
        trees += [ast.parse(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.py"))]
    found: set[str] = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, (ast.arg, ast.keyword)) and node.arg is not None:
                found.add(node.arg)
    return found


def _applied_by_the_harness(analysis: Analysis) -> set[str]:
    """Hyperparameters that have an effect without being read; see `algoperf.trial.point_dropout`."""
    imports = (ast.unparse(node) for node in analysis.project.nodes(ast.ImportFrom, ast.Import))
    older = any(OLDER_NAME in line for line in imports)
    return {"dropout_rate"} if analysis.request.version.point_sets_dropout or older else set()


def _under_self_tuning(analysis: Analysis) -> Iterator[Finding]:
    """Reads of `hyperparameters` in code that never tests whether there are any."""
    reads = list(_reads(analysis))
    if reads and not any(_asks_whether_there_are_any(analysis, node) for node in analysis.project.nodes(*_TESTS)):
        yield analysis.finding("9.9", reads[0], f"{shown(reads[0])} is read, but there are none.")


_TESTS = (ast.Compare, ast.If, ast.IfExp, ast.BoolOp)


def _asks_whether_there_are_any(analysis: Analysis, node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        asked = [node.left] if isinstance(node.ops[0], (ast.Is, ast.IsNot)) else []
    elif isinstance(node, (ast.If, ast.IfExp)):
        asked = [node.test]
    else:
        asked = node.values[:1]  # type: ignore[attr-defined]
    return any(analysis.names(part) == HYPERPARAMETERS for part in asked)
