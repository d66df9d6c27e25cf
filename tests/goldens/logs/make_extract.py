"""Makes the small extracts in this folder from the unpacked logs of the v0.5 competition.

    python make_extract.py LOGS        # LOGS holds v05_external/ and v05_self/, and the tables of their results

`v05_self.tar.xz`: every trial of the self-tuning ruleset, with the columns that scores depend on and the rows that
decide: the first, those around the first that reached the target, the last. `v05_index_rule.tar.xz`: studies of the
external ruleset in which the fastest trial is not the one with the fewest evaluations, or several have the fewest, with
all rows up to the hit; and the rows of the table of studies on them.
"""

from __future__ import annotations

import csv
import io
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

from algoperf.versions import load_version

FILE = "eval_measurements.csv"
VERSION = load_version("v0.5")
HERE = Path(__file__).parent


def reduced(file: Path, decisive_only: bool) -> str:
    """The columns and rows of a file that results depend on, as logged."""
    limits = VERSION.limits(file.parents[1].name.rpartition("_")[0])
    columns = ["global_step", "score", f"validation/{limits.metric}"]
    with file.open(newline="") as handle:
        rows = [[row[name] for name in columns] for row in csv.DictReader(handle)]
    hit = next((k for k, row in enumerate(rows) if row[2] and limits.reached(float(row[2]))), None)
    if decisive_only:
        around = () if hit is None else (hit - 1, hit, hit + 1)
        rows = [row for k, row in enumerate(rows) if k in (0, len(rows) - 1, *around)]
    elif hit is not None:
        rows = rows[: hit + 1]
    return "\n".join(",".join(row) for row in [columns, *rows]) + "\n"


def write(archive: Path, files: Iterator[tuple[str, str]]) -> None:
    """Pack texts under names, the same bytes every time."""
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for name, text in files:
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))


def self_tuning(logs: Path) -> Iterator[tuple[str, str]]:
    """Every trial of the version's workloads and held-out variants."""
    columns = {*VERSION.scored, *VERSION.held_out.values()}
    for file in sorted(logs.glob(f"*/study_*/*/trial_*/{FILE}")):
        if file.parents[1].name.rpartition("_")[0] in columns:
            yield file.relative_to(logs).as_posix(), reduced(file, decisive_only=True)


INDEX_RULE = (("lawa_ema", "wmt"), ("baseline", "criteo1tb"))


def index_rule(logs: Path) -> Iterator[tuple[str, str]]:
    """All studies of a submission and workload where the rules differ, and of one with many ties."""
    for submission, workload in INDEX_RULE:
        for file in sorted(logs.glob(f"{submission}/study_*/{workload}_*/trial_*/{FILE}")):
            if file.parents[1].name.rpartition("_")[0] == workload:
                yield file.relative_to(logs).as_posix(), reduced(file, decisive_only=False)


def copy_tables(tables: Path) -> None:
    """The golden tables that the extracts are compared with, as they are."""
    for name in ("time_to_targets", "ratios", "performance_profile"):
        for rule in ("min_time", "first_eval_index"):
            shutil.copy(tables / "v05_self" / f"{name}.{rule}.csv", HERE / "v05_self")
    for name in ("scores", "speedups"):
        shutil.copy(tables / "v05_self" / f"{name}.csv", HERE / "v05_self")
    with (tables / "v05_external" / "studies.csv").open(newline="") as source:
        rows = [row for row in csv.reader(source) if row[0] == "submission" or (row[0], row[1]) in INDEX_RULE]
    with (HERE / "v05_index_rule.csv").open("w", newline="") as target:
        csv.writer(target, lineterminator="\n").writerows(rows)


def main(logs: Path, tables: Path) -> None:
    """Write archives and tables."""
    (HERE / "v05_self").mkdir(exist_ok=True)
    copy_tables(tables)
    write(HERE / "v05_self.tar.xz", self_tuning(logs / "v05_self"))
    write(HERE / "v05_index_rule.tar.xz", index_rule(logs / "v05_external"))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
