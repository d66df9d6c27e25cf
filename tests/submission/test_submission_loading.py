"""Every module layout that published submissions use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from algoperf.errors import UserError
from algoperf.submission.loading import load_submission, submission_file, submission_name
from algoperf.submission.missing_package import OF_THE_REFERENCE, REFERENCE_PACKAGES, read_requirements
from algoperf.submission.signatures import KEYWORDS, POSITIONAL
from algoperf.submission.tracebacks import submission_traceback

FUNCTIONS = """
def get_batch_size(workload_name): return 8
def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng): return {}
def data_selection(workload, input_queue, optimizer_state, params, model_state, hyperparameters, step, rng):
    return next(input_queue)
"""
UPDATE = "def update_params(workload, **rest): return rest\n"


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def load_in_new_process(path, expression):
    """Loading changes the import path, so every layout gets a process of its own."""
    code = (
        "import pathlib, sys; from algoperf.submission.loading import load_submission; "
        f"s = load_submission(pathlib.Path(sys.argv[1])); m = sys.modules['algoperf_submission.' + s.file.stem]; "
        f"print(({expression}))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("helper", "statement"),
    [
        ("helper", "from .helper import VALUE"),
        ("helper", "from helper import VALUE"),
        ("optimizers__shampoo__inner", "from optimizers.shampoo.inner import VALUE"),
        ("helper", "from mine.helper import VALUE"),
        ("helper", "from submissions.self_tuning.mine.helper import VALUE"),
    ],
)
def test_helpers_are_found_however_they_are_imported(tmp_path, helper, statement):
    folder = tmp_path / "submissions" / "self_tuning" / "mine"
    write(folder, submission=f"{statement}\n{FUNCTIONS}{UPDATE}", **{helper: "VALUE = 42\n"})
    assert load_in_new_process(folder, "s.name, m.VALUE") == "('mine', 42)"


def test_a_folder_named_like_a_library_does_not_hide_it(tmp_path):
    folder = tmp_path / "nadamw" / "json"
    write(folder, submission=f"import json\nVALUE = json.dumps(1)\n{FUNCTIONS}{UPDATE}", __init__="")
    assert load_in_new_process(folder, "m.VALUE") == "1"


def test_the_older_package_name_is_an_alias(tmp_path):
    code = (
        "from algorithmic_efficiency import spec\n"
        "from algorithmic_efficiency.pytorch_utils import pytorch_setup\n"
        "import algoperf.spec\nSAME = spec.Workload is algoperf.spec.Workload, pytorch_setup()[:2]\n"
    )
    write(tmp_path / "old", submission=code + FUNCTIONS + UPDATE)
    assert load_in_new_process(tmp_path / "old", "m.SAME") == "(True, (False, 0))"


def test_a_single_file_is_named_after_itself(tmp_path):
    write(tmp_path, my_idea=FUNCTIONS + UPDATE)
    assert submission_name(submission_file(tmp_path / "my_idea.py")) == "my_idea"


def test_optional_parts_are_noticed(tmp_path):
    write(tmp_path / "plain", submission=FUNCTIONS + UPDATE)
    plain = load_submission(tmp_path / "plain")
    assert (plain.prepare_for_eval, plain.wants_train_state) == (None, False)
    more = "def update_params(workload, train_state, **rest): return rest\ndef prepare_for_eval(**rest): return rest\n"
    write(tmp_path / "more", submission=FUNCTIONS + more)
    full = load_submission(tmp_path / "more")
    assert full.wants_train_state
    assert full.prepare_for_eval is not None


def test_missing_functions_are_named(tmp_path):
    write(tmp_path / "half", submission=FUNCTIONS)
    with pytest.raises(UserError, match=r"does not define update_params. It defines: data_selection, get_batch_size"):
        load_submission(tmp_path / "half")


def test_an_import_error_shows_the_submissions_own_lines(tmp_path):
    write(tmp_path / "bad", submission="import helper_of_bad\n", helper_of_bad="def f(:\n")
    with pytest.raises(UserError, match=r"cannot be imported") as caught:
        load_submission(tmp_path / "bad")
    assert "import helper_of_bad" in str(caught.value)
    assert "SyntaxError" in str(caught.value)
    assert "importlib" not in str(caught.value)


def test_a_syntax_error_shows_its_line_and_no_frames_of_the_import(tmp_path):
    (tmp_path / "submission.py").write_text("x = 1\ndef f(:\n")
    with pytest.raises(UserError, match=r"line 2\n.*def f\(:") as caught:
        load_submission(tmp_path)
    assert "importlib" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "arguments", "says"),
    [
        ("def init_optimizer_state(workload): ...", range(5), "with the arguments workload, model_params, "),
        ("def update_params(workload, batch): ...", {"rng": 0}, "with the arguments workload, current_param"),
        ("def get_batch_size(): ...", ["digits"], "with the arguments workload_name"),
        ("class A:\n  def data_selection(self): ...\ndata_selection = A().data_selection", [1], "input_queue"),
        ("def update_params(): len(3)", [], None),
        ("def update_params(): update_params(1)", [], None),
    ],
)
def test_a_wrong_signature_lists_the_expected_arguments(tmp_path, code, arguments, says):
    names: dict = {}
    exec(compile(code, str(tmp_path / "submission.py"), "exec"), names)
    function = next(names[name] for name in (*POSITIONAL, *KEYWORDS) if name in names)
    with pytest.raises(TypeError) as caught:
        function(**arguments) if isinstance(arguments, dict) else function(*arguments)
    text = submission_traceback(caught.value, tmp_path)
    assert ("is called with" in text) == (says is not None)
    assert ("Traceback" in text) == (says is None)
    assert (says or "") in text


def test_a_missing_submission_is_sought_among_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("submissions/self_tuning/mine", "elsewhere/other_one"):
        write(tmp_path / name, submission=FUNCTIONS)
    for given in ("mien", "MINE", "submissions/mine", "elsewhere/mine.py"):
        with pytest.raises(UserError, match="Did you mean 'submissions/self_tuning/mine'"):
            submission_file(Path(given))
    with pytest.raises(UserError, match="Did you mean 'elsewhere/other_one'"):
        submission_file(Path("elsewhere/otherone"))
    with pytest.raises(UserError, match="There are elsewhere/other_one, submissions/self_tuning/mine"):
        submission_file(Path("elsewhere/quite_different_12"))


@pytest.mark.parametrize(
    ("files", "statement", "right"),
    [
        ({"parts__rate_table": "RATE = 1\n", "parts__rates": "from rate_table import RATE\n"}, "import parts.rates",
         "parts.rate_table"),
        ({"parts__deep____init__": "", "parts____init__": ""}, "import deep", "parts.deep"),
        ({"parts__deep__inner": ""}, "import deep.inner", "parts.deep"),
    ],
)  # fmt: skip
def test_an_own_module_is_not_called_an_uninstalled_package(tmp_path, files, statement, right):
    write(tmp_path / "own", submission=f"{statement}\n{FUNCTIONS}{UPDATE}", **files)
    with pytest.raises(UserError) as caught:
        load_submission(tmp_path / "own")
    assert "is not installed" not in str(caught.value)
    assert f"Write '{right}'" in str(caught.value)


@pytest.mark.parametrize("code", ["x = 1 1\n", "def f(:\n", 'x = 1"""Another file."""\n', "return 1\n"])
def test_a_syntax_error_shows_its_place_and_no_frames(tmp_path, code):
    write(tmp_path / "syntax", submission=code)
    with pytest.raises(UserError, match=r"submission.py\", line 1") as caught:
        load_submission(tmp_path / "syntax")
    assert "Traceback" not in str(caught.value)
    assert "importlib" not in str(caught.value)


@pytest.mark.parametrize("raised", ["KeyError(workload_name)", "ZeroDivisionError('x')", "SystemExit(1)", "OSError(2)"])
def test_every_error_of_get_batch_size_is_the_submissions(tmp_path, raised):
    code = FUNCTIONS.replace("return 8", f"raise {raised}") + UPDATE
    write(tmp_path / "sizes", submission=code)
    submission = load_submission(tmp_path / "sizes")
    with pytest.raises(UserError, match=rf"get_batch_size\('ogbg'\) raised {raised.partition('(')[0]}") as caught:
        submission.batch_size("ogbg", ("ogbg",), 1)
    assert "in get_batch_size" in str(caught.value)


@pytest.mark.parametrize(
    ("requirements", "says"),
    [
        (None, ["has no requirements.txt", "no_such_package==1.2.3"]),
        ("# nothing\n", ["does not name it"]),
        (
            "numpy\n\nNo.Such-Package==0.1  # what for\n",
            ["line 3 of requirements.txt: No.Such-Package==0.1", "-m pip install"],
        ),
        ("other-name-of-it>=2\n", ["line 1 of requirements.txt: other-name-of-it>=2"]),
        ("name: algoperf\n  - pip=23.0=py38\nq\n", ["Lines that pip cannot read: 1, 2"]),
    ],
    ids=["none", "not named", "named", "under another name", "conda"],
)
def test_a_missing_package_is_named_with_what_to_do(tmp_path, requirements, says):
    write(tmp_path / "needy", submission="import no_such_package.part\n" + FUNCTIONS + UPDATE)
    if requirements is not None:
        (tmp_path / "needy" / "requirements.txt").write_text(requirements)
    with pytest.raises(UserError, match="The package 'no_such_package' is not installed") as caught:
        load_submission(tmp_path / "needy")
    assert all(text in str(caught.value) for text in says)
    assert "import no_such_package.part" in str(caught.value)


@pytest.mark.parametrize("package", OF_THE_REFERENCE)
def test_packages_of_the_references_environment_come_from_a_list(tmp_path, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    write(tmp_path / "old", submission=f"import {package}\n{FUNCTIONS}{UPDATE}")
    with pytest.raises(UserError, match="Published submissions find it in the reference's environment") as caught:
        load_submission(tmp_path / "old")
    assert f"--requirement {REFERENCE_PACKAGES} --constraint" in str(caught.value)
    names = {requirement.package.removesuffix("-py") for requirement in read_requirements(REFERENCE_PACKAGES)[0]}
    assert package.replace("_", "-") in names


@pytest.mark.parametrize("statement", ["import json.no_such_module", "from .no_such_helper import x", "import broken"])
def test_a_module_missing_inside_a_package_is_no_missing_package(tmp_path, statement):
    write(tmp_path / "wrong", submission=f"{statement}\n{FUNCTIONS}{UPDATE}", broken="from json import no_such_name\n")
    with pytest.raises(UserError, match="cannot be imported") as caught:
        load_submission(tmp_path / "wrong")
    assert "is not installed" not in str(caught.value)


def test_the_older_name_is_noticed(tmp_path):
    write(tmp_path / "old", submission="from algorithmic_efficiency import spec\n" + FUNCTIONS + UPDATE)
    write(tmp_path / "new", submission=FUNCTIONS + UPDATE)
    assert [load_submission(tmp_path / name).uses_older_name for name in ("old", "new", "old")] == [True, False, True]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_requirements_are_decoded_as_pip_does(tmp_path, encoding):
    file = tmp_path / "requirements.txt"
    file.write_text("tqdm==4.0  # é\n", encoding=encoding)
    ((requirement,), unreadable) = read_requirements(file)
    assert (requirement.number, requirement.package, requirement.text, unreadable) == (1, "tqdm", "tqdm==4.0", [])
