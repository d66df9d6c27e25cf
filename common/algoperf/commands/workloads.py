"""`algoperf workloads`: lists workloads and targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from algoperf.commands import options

_TIMES = (3, 4)  # columns


@click.command()
@options.version
def workloads(version_name: str) -> None:
    """List the workloads whose cubes are here, with targets and budgets.

    Cubes are searched in the repository's cubes/ and in the folders that ALGOPERF_CUBES names.
    """
    from algoperf.versions import load_version
    from algoperf.versions.version import with_cube_limits
    from algoperf.workload.registry import cube_folders, load_cube

    rows: list[tuple[str, ...]] = [("workload", "scale", "validation target", "external", "self-tuning", "scored")]
    for folder in cube_folders().values():
        definition = load_cube(folder)
        version = with_cube_limits(load_version(version_name), definition.folder)
        for name in (definition.name, *definition.variants):
            for scale, limits in version.table.get(name, {}).items():
                sign = "<=" if limits.goal == "min" else ">="
                rows.append(
                    (
                        name, scale, f"{limits.metric} {sign} {limits.validation_target:.6g}",
                        *(f"{version.max_runtime_sec(name, rules, scale):,.6g} s" for rules in ("external", "self")),
                        "yes" if name in version.scored and scale == "full" else "no",
                    )
                )  # fmt: skip
    click.echo(f"Targets of version {version_name}, and budgets of submission time under both rulesets:\n")
    for line in _aligned(rows):
        click.echo(line)
    click.echo("\nEvery cube's README.md says more.")


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows with columns of equal width; columns of times to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if number in _TIMES else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
