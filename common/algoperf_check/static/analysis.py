"""The input of every static check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from algoperf_check.findings import Finding
from algoperf_check.request import CheckRequest
from algoperf_check.static.batch_size import BatchSizeCode
from algoperf_check.static.constants import Constants
from algoperf_check.static.facts import WorkloadFacts, known_facts
from algoperf_check.static.names import Names
from algoperf_check.static.project import Project
from algoperf_check.static.source import SourceFile


@dataclass(frozen=True)
class Analysis:
    """A submission with resolved names, and facts about the workloads."""

    request: CheckRequest
    project: Project
    constants: Constants
    names: Names
    batch_code: BatchSizeCode
    facts: WorkloadFacts

    @classmethod
    def of(cls, request: CheckRequest, sources: list[SourceFile]) -> Analysis:
        """Analyse the readable files."""
        project = Project(request.folder, sources)
        constants = Constants(project)
        batch_code = BatchSizeCode(project)
        return cls(request, project, constants, Names(project, constants, batch_code), batch_code, known_facts())

    def within(self, node: ast.AST, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """Nodes of some kinds in an expression, and in the values of its names that are assigned once."""
        pending, seen = [node], set()
        while pending:
            current = pending.pop()
            if current in seen:
                continue
            seen.add(current)
            if isinstance(current, kinds):
                yield current
            definition = self.constants.definition(current) if isinstance(current, (ast.Name, ast.Attribute)) else None
            pending += [definition] if definition is not None else [*ast.iter_child_nodes(current)]

    def text(self, node: ast.AST) -> str | None:
        """The value of an expression if it is a constant string."""
        value = self.constants(node)
        return value if isinstance(value, str) else None

    def finding(self, rule: str, node: ast.AST, what: str) -> Finding:
        """A finding at the position of a node."""
        return self.project.finding(rule, node, what)


def shown(node: ast.AST, longest: int = 60) -> str:
    """The code of a node on one line, in backticks, truncated if long."""
    code = " ".join(ast.unparse(node).split())
    return f"`{code if len(code) <= longest else code[: longest - 4] + ' ...'}`"
