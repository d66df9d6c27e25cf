"""The input of every static check."""

from __future__ import annotations

import ast
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
    """A submission with resolved names, and what is known of the workloads."""

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

    def text(self, node: ast.AST) -> str | None:
        """The value of an expression if it is a constant text."""
        return self.constants(node)

    def finding(self, rule: str, node: ast.AST, what: str) -> Finding:
        """A finding at the position of a node."""
        return self.project.finding(rule, node, what)


def shown(node: ast.AST, longest: int = 60) -> str:
    """The code of a node on one line, in backticks, truncated if long."""
    code = " ".join(ast.unparse(node).split())
    return f"`{code if len(code) <= longest else code[: longest - 4] + ' ...'}`"
