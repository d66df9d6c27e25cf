"""`benchmarks/apart_allowance.py` and `benchmarks/cheats.py`: what they say agrees with charges and records."""

from __future__ import annotations

import json

import pytest

from algoperf.records.allowance import APART_BASE_SEC, BYTES_PER_SEC, charges
from algoperf.records.layout import REFEREE_FILE, STATUS_FILE
from algoperf.seeds import derive
from algoperf.submission.loading import submission_name
from benchmark_modules import benchmark_modules
from cheat_table import HONEST, table


@pytest.fixture(scope="module")
def scripts():
    with benchmark_modules("apart_allowance", "cheats") as modules:
        yield modules


def write(folder, hidden_sec: float, shared: bool = False, warnings: tuple[str, ...] = ()) -> None:
    """A trial of three evaluations; one of them is so much longer than it needed to be."""
    each = {"stood_sec": 5.0, "evaluation_sec": 5.5, "logging_sec": 2.25, "saved_bytes": int(2 * BYTES_PER_SEC)}
    evaluations = [{"global_step": step, **each} for step in (1, 2, 3)]
    evaluations[1]["evaluation_sec"] += hidden_sec
    folder.mkdir(parents=True)
    (folder / REFEREE_FILE).write_text(json.dumps({"evaluation": "apart", "evaluations": evaluations}))
    machine = {"shared": shared, "sessions": [{"warnings": [*warnings]}]}
    (folder / STATUS_FILE).write_text(json.dumps({"machine": machine}))


@pytest.mark.parametrize("hidden_sec", [0.0, APART_BASE_SEC, APART_BASE_SEC + 5.0])
def test_a_trial_is_charged_if_it_needed_a_larger_base(scripts, tmp_path, hidden_sec):
    write(tmp_path / "trial", hidden_sec)
    script, _ = scripts
    ((around,),) = script.trials([tmp_path]).values()
    assert around == pytest.approx([0.5, 0.75 + hidden_sec, 0.75])
    needed = script.needed_base_sec(around)
    assert needed == pytest.approx(max(-0.5, 0.5 + 0.75 + hidden_sec - 2))
    assert max(charges(tmp_path / "trial").values(), default=0.0) == pytest.approx(max(0.0, needed - APART_BASE_SEC))


def test_trials_are_told_apart_by_their_machine_and_copies_count_once(scripts, tmp_path):
    script, _ = scripts
    for count, (shared, warnings) in enumerate(
        [(False, ()), (False, ("Others keep 1.0 of 2 cores busy",)), (True, ())]
    ):
        for copy in ("first", "second"):
            write(tmp_path / copy / str(count), float(count), shared, warnings)
    write(tmp_path / "together", 9.0)
    (tmp_path / "together" / REFEREE_FILE).write_text(json.dumps({"evaluation": "together", "evaluations": [{}]}))
    found = script.trials([tmp_path])
    assert {kind: len(each) for kind, each in found.items()} == {"alone": 1, "busy": 1, "shared": 1}
    assert script.row("alone", found["alone"])["at most"] == "95.0%"


def test_the_table_of_cheats_is_replaced_and_the_prose_stays(scripts):
    _, script = scripts
    found = {"status": "target_reached", "step": 100, "sec": 1.25, "why": ""}
    row = script.row("network", "harness", found, honest=2.0)
    assert (row["official s"], row["counts"], row["won s"]) == ("1.2", "yes", "0.8")
    page = script.PAGE.read_text()
    changed = script.with_table(page, script.conditions({"jax": [found]}, [1.0, 2.0]), [row])
    begin, end = page.index("Measured on"), page.index("What remains to be won:")
    assert (changed[:begin], changed[changed.index("What remains") :]) == (page[:begin], page[end:])
    assert "| network | harness | target_reached | 100 | 1.2 | yes | 0.8 |\n\nWhat" in changed
    assert script.with_table(changed, "Measured on no day.", [row]).count("Measured on") == 1
    with pytest.raises(ValueError, match="Measured on"):
        script.with_table("# No table\n", "Measured on no day.", [row])


@pytest.mark.parametrize("name", [*HONEST.values(), "queued_work", "late_snapshot"])
def test_all_are_trained_under_one_name_beside_what_they_import(scripts, tmp_path, name):
    _, script = scripts
    submission = script._staged(name, tmp_path)
    assert derive(submission_name(submission / "submission.py")) == derive(script.NAME)
    assert {"honest.py", "honest_jax.py", "wire.py"} <= {path.name for path in tmp_path.iterdir()}
    assert name in HONEST.values() or name in table()
