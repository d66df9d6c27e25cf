"""`--smoke`: the results of `algoperf smoke` as findings."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from algoperf import smoke
from algoperf.waiting import waiting
from algoperf_check.findings import Finding
from algoperf_check.request import CheckRequest
from algoperf_check.rules import RULES


def findings(request: CheckRequest) -> list[Finding]:
    """Train on every workload at scale mini, making its data; returns failures and missed targets.

    Prints the result for each workload to standard error as it goes.
    """
    assert request.framework is not None
    with tempfile.TemporaryDirectory(prefix="algoperf_smoke_") as root:
        settings = smoke.SmokeSettings(
            submission=request.submission,
            framework=request.framework,
            ruleset=request.ruleset,
            version=request.version,
            seed=0,
            raw_dir=Path(root, "raw"),
            data_dir=Path(root, "data"),
            output_dir=Path(root, "runs"),
        )
        found = []
        for definition in smoke.choose(None, request.version):
            with waiting(definition.name) as say:
                smoke.prepare(definition, settings)
                result = smoke.run(definition, settings, say)
            click.echo(f"{definition.name}: {result.verdict}", err=True)
            if not result.reached:
                rule = RULES["13.7" if result.verdict.startswith("failed") else "13.8"]
                found.append(Finding(rule, result.verdict, on=(definition.name,)))
    return found
