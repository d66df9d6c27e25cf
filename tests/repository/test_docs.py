"""What the documents say of files, commands, options and dependencies is so."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from algoperf import cli
from algoperf.records.status import Status
from algoperf.versions import version_names
from algoperf.workload.registry import cube_folders, load_cube
from places import REPOSITORY

ROOT = REPOSITORY
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def documents() -> list[Path]:
    """All Markdown files that git tracks or would; without git, those that belong to the project."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = listing.stdout.split("\n") if listing.returncode == 0 else [*ROOT.glob("*.md"), *ROOT.glob("*/**/*.md")]
    paths = {ROOT / path for path in found if path}
    outside = {"demo", "runs", "data", "build"}
    return sorted(
        path
        for path in paths
        if path.is_file()
        and path.relative_to(ROOT).parts[0][0] != "."
        and path.relative_to(ROOT).parts[0] not in outside
    )


DOCUMENTS = documents()
by_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def prose(document: Path) -> str:
    """The text without its code blocks."""
    return FENCE.sub("", document.read_text())


def anchors(document: Path) -> set[str]:
    """The anchors of headings, as GitHub makes them, and those that are written out."""
    headings = re.findall(r"^#+ +(.*?) *$", prose(document), re.MULTILINE)
    written_out = set(re.findall(r'<a id="([^"]+)">', prose(document)))
    return written_out | {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_lines(document: Path) -> list[str]:
    """The lines of shell blocks, continued lines joined and comments cut."""
    text = "\n".join(code for _, kind, code in FENCE.findall(document.read_text()) if kind in ("bash", "sh"))
    return [line.split(" #")[0].strip() for line in text.replace("\\\n", " ").split("\n")]


def code_spans(document: Path) -> list[str]:
    return re.findall(r"`([^`]+)`", prose(document).replace("\n", " "))


def calls(document: Path, program: str) -> list[list[str]]:
    """Arguments of every call of a program in shell blocks and code spans."""
    lines = [*shell_lines(document), *code_spans(document)]
    return [shlex.split(line)[1:] for line in lines if re.match(rf"{program}(\s|$)", line)]


def test_documents_are_found():
    assert {ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "differences.md"} <= set(DOCUMENTS)


@by_document
def test_links_resolve(document):
    for target in LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), f"{target} is not there"
        assert file.is_relative_to(ROOT), f"{target} leaves the repository"
        if anchor:
            assert anchor in anchors(file), f"{target}: no such heading"


@by_document
def test_make_targets_and_variables_exist(document):
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) \?=", makefile, re.MULTILINE))
    for words in calls(document, "make"):
        for word in words:
            name, equals, _ = word.partition("=")
            if equals:
                assert name in variables, f"make {' '.join(words)}"
            elif word.islower() and word.isalpha():
                assert word in targets, f"make {' '.join(words)}"


@by_document
def test_make_takes_its_variables_together(document):
    """Targets do not take variables that they do not use; `...` is a word for more."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    for words in calls(document, "make"):
        if any("=" in word for word in words) and words[0].islower() and "..." not in words:
            command = ["make", "--dry-run", *words]
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            assert "does not use" not in done.stderr
            assert "is not used" not in done.stderr


def options(command: click.Command) -> set[str]:
    return {"--help", *(name for option in command.params for name in (*option.opts, *option.secondary_opts))}


@by_document
def test_algoperf_commands_and_options_exist(document):
    for words in calls(document, "algoperf"):
        if not words or words[0].startswith("-"):
            assert set(words) <= {"--help", "--version"}, words
            continue
        assert words[0] in cli.COMMANDS, words
        command = cli.cli.get_command(click.Context(cli.cli), words[0])
        if isinstance(command, click.Group) and words[1:]:
            command = command.get_command(click.Context(command), words[1])
        assert command is not None, words
        given = {word.partition("=")[0] for word in words[1:] if word.startswith("--")}
        assert given <= options(command), words


@by_document
def test_options_mentioned_by_themselves_exist(document):
    """In documents about `algoperf`; containers and contributors speak of other programs' options."""
    if document.name in ("containers.md", "CONTRIBUTING.md", "benchmarks.md"):
        pytest.skip("mentions options of other programs")
    context = click.Context(cli.cli)
    commands = [cli.cli.get_command(context, name) for name in cli.COMMANDS]
    groups = [command for command in commands if isinstance(command, click.Group)]
    commands += [group.get_command(context, name) for group in groups for name in group.list_commands(context)]
    known = set().union(*(options(command) for command in commands if command is not None))
    for span in code_spans(document):
        if span.startswith("--"):
            assert shlex.split(span)[0].partition("=")[0] in known, span


@by_document
def test_variables_mentioned_as_assignments_exist(document):
    makefile = (ROOT / "Makefile").read_text()
    known = {*re.findall(r"^([A-Z]+) \?=", makefile, re.MULTILINE), "BASE"}
    for span in code_spans(document):
        for name in re.findall(r"(?:^| )([A-Z]+)=", span):
            assert name in known, span


@by_document
def test_files_mentioned_exist(document):
    """Paths in code spans that begin with a folder of the repository."""
    folders = "common|cubes|scoring|submissions|ci|tests|docs|benchmarks|\\.ci"
    made_by_the_reader = ("submissions/self_tuning", "submissions/external_tuning")
    for span in code_spans(document):
        if re.fullmatch(rf"({folders})/[\w./-]*", span) and not span.startswith(made_by_the_reader):
            assert (ROOT / span).exists(), span


def test_files_in_the_table_of_differences_exist():
    text = prose(ROOT / "docs" / "differences.md")
    rows = [line for line in text.split("\n") if line.startswith("| ") and not line.startswith("| what")]
    files = [span for row in rows for span in re.findall(r"`([^`]+)`", row.rsplit(" | ", 1)[1])]
    assert len(files) > 50
    missing = {file for file in files if not any((base / file).exists() for base in (ROOT, ROOT / "common/algoperf"))}
    assert not missing


def dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    return {re.split(r"[\[<>=!~; ]", name)[0] for names in lists for name in names} | set(
        project["build-system"]["requires"]
    )


def test_every_dependency_has_a_reason():
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## Dependencies")[1]
    table = {name for row in re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE) for name in row.split(", ")}
    prose_names = set(re.findall(r"\*\*([\w-]+)\*\*", text))
    assert dependencies() <= table | prose_names
    assert table - {"package", "---"} <= dependencies(), "a row without a dependency"


def test_the_version_is_the_same_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    source = ast.parse((ROOT / "common/algoperf/_version.py").read_text())
    assigned = [node.value.value for node in ast.walk(source) if isinstance(node, ast.Assign)]
    assert assigned == [version]
    assert version in (ROOT / "CHANGELOG.md").read_text()


def test_benchmark_versions_are_named():
    for document in ("README.md", "CHANGELOG.md"):
        text = (ROOT / document).read_text()
        assert [name for name in version_names() if name not in text] == []


def table_of(document: str, heading: str) -> dict[str, list[str]]:
    """Rows of the first table below a heading, by their first cell without backticks."""
    text = (ROOT / document).read_text().split(f"## {heading}")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in text.split("\n") if line.startswith("|")]
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows[2:]}


def test_statuses_and_exit_codes():
    rows = table_of("docs/timing.md", "How a run ends")
    assert {name: int(row[0]) for name, row in rows.items()} == {end.label: end.exit_code for end in Status}


@pytest.mark.parametrize(
    ("document", "heading"),
    [("README.md", "For organisers: run submissions of others"), ("docs/records.md", "Exit codes")],
)
def test_exit_codes_are_complete(document, heading):
    codes = {int(code) for code in table_of(document, heading)}
    assert codes == {*(end.exit_code for end in Status), 1, 2, 5, 6, 8}


def test_every_cube_has_a_card_with_its_numbers():
    for name, folder in cube_folders().items():
        if folder.parent != ROOT / "cubes":
            continue
        card, cube = (folder / "README.md").read_text(), load_cube(folder)
        for count in (cube.examples.train, cube.examples.validation, cube.eval_batch_size):
            assert f"{count:,}" in card, f"{name}: {count}"
        assert f"--workload {name}" in card


def test_the_readme_can_be_read_in_one_go():
    assert len((ROOT / "README.md").read_text().split("\n")) < 200
