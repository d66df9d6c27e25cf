"""`algoperf workloads`: lists workloads and targets."""

from __future__ import annotations

import click

from algoperf.commands import options


@click.command()
@options.version
def workloads(version_name: str) -> None:
    """List the workloads whose cubes are here, with targets and budgets.

    Cubes are searched in the repository's cubes/ and in the folders that ALGOPERF_CUBES names.
    """
    from algoperf.versions import load_version
    from algoperf.versions.version import with_cube_limits
    from algoperf.workload.registry import cube_folders, load_cube

    click.echo(f"Targets and budgets of version {version_name}:")
    for folder in cube_folders().values():
        definition = load_cube(folder)
        version = with_cube_limits(load_version(version_name), definition.folder)
        for name in (definition.name, *definition.variants):
            for scale, limits in version.table.get(name, {}).items():
                sign = "<=" if limits.goal == "min" else ">="
                status = "scored" if name in version.scored and scale == "full" else "not scored"
                click.echo(
                    f"  {name:30} {scale:5} {limits.metric} {sign} {limits.validation_target:<9.6g}"
                    f" within {limits.max_runtime_sec:,.6g} s, {status}"
                )
    click.echo("Every cube's README.md says more.")
