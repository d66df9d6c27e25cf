"""`algoperf check` as people and programs meet it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from algoperf.cli import main
from algoperf_check.findings import RULES_PAGE
from algoperf_check.rules import RULES
from check_snippets import whole

FRAMEWORKS = ("flax", "jax", "jaxlib", "optax", "torch")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """The command in this process, as its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["check", *map(str, arguments)])
        return subprocess.CompletedProcess(arguments, end.value.code, *capsys.readouterr())

    return call


def test_a_clean_submission(repository):
    command = [sys.executable, "-m", "algoperf", "check", "submissions/template", "--static-only"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "template (pytorch, ruleset external, v0.6; read only): no errors, no warnings.\n"


def test_text_shows_rule_place_code_reason_remedy_and_link(run, write):
    folder = write({"submission.py": whole("import time\ntime.sleep(1)\ntime.sleep(2)")})
    done = run(folder, "--static-only", "--framework", "pytorch")
    assert done.returncode == 8
    assert done.stdout == (
        "error 11.2: Waiting\n"
        "  mine/submission.py:4: `time.sleep` is used.\n"
        "      time.sleep(1)\n"
        "  mine/submission.py:5: `time.sleep` is used.\n"
        "      time.sleep(2)\n"
        f"  Why: {RULES['11.2'].why}\n"
        f"  Do: {RULES['11.2'].remedy}\n"
        "  See: docs/rules.md#rule-11-2\n"
        "\n"
        "mine (pytorch, ruleset self, v0.6; read only): 2 errors, no warnings.\n"
    )
    assert done.stderr == "error: mine does not keep the rules: 11.2.\n"


def test_places_elsewhere_are_absolute(run, repository):
    done = run(repository / "tests/support/submissions/many_states_jax", "--static-only")
    assert (
        f"  {repository}/tests/support/submissions/many_states_jax/submission.py:83: `time.sleep` is used.\n"
        in done.stdout
    )


def test_code_that_cannot_be_read_is_a_finding_with_its_place(run, write):
    done = run(write({"submission.py": "def f(:\n"}))
    assert done.returncode == 8
    assert "error 12.1: A Python file that cannot be read\n  mine/submission.py:2: invalid syntax" in done.stdout


def test_json_on_standard_output(run, write):
    folder = write({"submission.py": whole("import threading\nx = open('a')")}, "self_tuning/mine")
    done = run(folder, "--static-only", "--json", "-", "--version", "v0.5")
    assert done.returncode == 8
    result = json.loads(done.stdout)
    assert {name: result[name] for name in ("name", "framework", "ruleset", "version", "errors", "warnings")} == {
        "name": "mine", "framework": None, "ruleset": "self", "version": "v0.5", "errors": 1, "warnings": 1,
    }  # fmt: skip
    first, second = result["findings"]
    assert (first["rule"], first["level"], first["file"], first["line"]) == ("6.1", "error", "submission.py", 3)
    assert (second["rule"], second["level"]) == ("2.3", "warning")
    assert first["link"] == "docs/rules.md#rule-6-1"
    assert first["why"]
    assert first["remedy"]


def test_json_in_a_file_beside_the_text(run, repository, tmp_path):
    done = run(repository / "tests/support/submissions/faulty", "--static-only", "--json", "result.json")
    assert done.returncode == 8
    assert "error 11.6" in done.stdout
    found = json.loads((tmp_path / "result.json").read_text())["findings"]
    assert [finding["level"] for finding in found] == sorted(finding["level"] for finding in found)


def test_many_places_are_cut_in_the_text_only(run, write):
    folder = write({"submission.py": whole("import time\n" + "time.sleep(1)\n" * 13)})
    done = run(folder, "--static-only", "--json", "result.json")
    assert done.stdout.count("submission.py:") == 10
    assert "\n  and 3 more; --json has all of them\n" in done.stdout
    assert len(json.loads((folder.parent / "result.json").read_text())["findings"]) == 13


def test_warnings_fail_if_strict(run, write):
    folder = write({"submission.py": whole("x = open('a')")})
    assert run(folder, "--static-only").returncode == 0
    done = run(folder, "--static-only", "--strict")
    assert done.returncode == 8
    assert "does not keep the rules: 2.3." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere", "--static-only"], "nowhere does not exist"),
        ([".", "--static-only"], "has no submission.py"),
        (["{repo}/submissions/template", "--version", "v0.7"], "Allowed: v0.5, v0.6, v1.0"),
        (["{repo}/submissions/template", "--framework", "tensorflow"], "'jax', 'pytorch'"),
        (["{repo}/submissions/template", "--static-only", "--smoke"], "Give one of them"),
        ([], "Missing argument 'SUBMISSION'"),
    ],
)
def test_wrong_calls(run, repository, arguments, complaint):
    done = run(*[argument.format(repo=repository) for argument in arguments])
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_neither_framework_is_imported(repository):
    """Nor is anything of the submission."""
    code = (
        "import sys\nfrom algoperf.cli import main\n"
        f"try: main(['check', {str(repository / 'submissions/template')!r}, '--static-only'])\n"
        "except SystemExit as end: assert not end.code\n"
        f"print(sorted(set({FRAMEWORKS}) & set(sys.modules)), "
        "[name for name in sys.modules if name.startswith(('submission', 'algoperf_submission'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] []"


def test_make_check(repository, write):
    if not os.path.exists(os.path.join(sys.prefix, "bin", "algoperf")):
        pytest.skip("the project is not installed in a virtual environment")
    folder = write({"submission.py": "import threading\n"})
    command = ["make", "-s", "-o", f"{sys.prefix}/ready-cpu", f"VENV={sys.prefix}", "check"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        [*command, f"SUBMISSION={folder}", "FRAMEWORK=pytorch"],
        capture_output=True,
        text=True,
        cwd=repository,
        env=environment,
        check=False,
    )
    assert "error 6.1" in done.stdout
    assert "ruleset self" in done.stdout
    assert done.returncode == 2  # make's own


def documented(repository) -> dict[str, str]:
    """What the page of rules says of each: its level and title, or "for humans"."""
    text = " ".join((repository / RULES_PAGE).read_text().split())
    entries = re.findall(r'<a id="rule-([\d-]+)"></a>\*\*([\d.]+)\*\* \(([\w ]+)\)(?: \*\*(.*?)\.\*\*)?', text)
    assert all(anchor.replace("-", ".") == number for anchor, number, *_ in entries)
    assert len(entries) == text.count('<a id="rule-')
    return {number: f"{level}: {title}" if title else level for _, number, level, title in entries}


def test_every_rule_is_documented_and_every_anchor_is_a_rule(repository):
    entries = documented(repository)
    assert {number: entry for number, entry in entries.items() if entry not in ("for humans", "retired")} == {
        number: f"{rule.level}: {rule.title}" for number, rule in RULES.items()
    }
    assert "for humans" in entries.values()


def test_rules_are_numbered_by_section_without_gaps_or_repetition(repository):
    numbers = [tuple(map(int, number.split("."))) for number in documented(repository)]
    assert numbers == sorted(set(numbers))
    for section in {section for section, _ in numbers}:
        own = [number for part, number in numbers if part == section]
        assert own == list(range(1, len(own) + 1)), section


def test_where_the_checks_are_not_installed(monkeypatch, capsys, repository):
    """As in the image of a cube."""
    from algoperf.cli import main

    monkeypatch.setitem(sys.modules, "algoperf_check", None)
    with pytest.raises(SystemExit) as end:
        main(["check", str(repository / "submissions/template"), "--static-only"])
    assert end.value.code == 2
    assert "Run it from the repository" in capsys.readouterr().err


def test_a_search_space_beside_the_folder(run, write, tmp_path):
    folder = write({"submission.py": whole("rate = hyperparameters.learning_rate")})
    space = tmp_path / "mine.json"
    space.write_text(json.dumps([{"learning_rate": 0.1, "beta": 0.9}] * 5))
    done = run(folder, "--static-only", "--framework", "pytorch", "--search-space", space)
    assert done.returncode == 0
    assert "(pytorch, ruleset external, v0.6; read only)" in done.stdout
    assert "'beta' is nowhere in the code" in done.stdout
    space.write_text(json.dumps({"learning_rate": {"min": 2, "max": 1, "scaling": "log"}}))
    assert run(folder, "--static-only", "--framework", "pytorch", "--search-space", space).returncode == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--search-space", "nothing.json"), "There is no search space nothing.json"),
        (("--search-space", "nothing.json", "--ruleset", "self"), "self-tuning has no search space"),
    ],
)
def test_search_spaces_that_cannot_be_meant(run, write, options, message):
    done = run(write({"submission.py": whole("pass")}), "--static-only", "--framework", "pytorch", *options)
    assert (done.returncode, message in done.stderr) == (2, True)
