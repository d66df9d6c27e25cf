"""What identifies a submission: the files that its code can use."""

from __future__ import annotations

import json

import pytest

from algoperf.submission.earlier import changed_lines
from algoperf.submission.identity import code_hashes, other_hashes, search_space_hash
from algoperf.trial.settings import CODE_FILE, difference_in_words
from git_history import commit_all, git

FILES = {
    "submission.py": "import json\nfrom deep import helper\nSETTINGS = json.load(open('settings.json'))\n",
    "deep/helper.py": "from . import rates\n",
    "deep/rates.py": "x = 1\n",
    "fast.so": "compiled",
    "settings.json": "{}",
    "README.md": "# it\n",
    "submission_info.yml": "authors: A\n",
    "requirements.txt": "",
    "tests/test_it.py": "import submission\n",
    "notes/draft.py": "def f(:\n",
}
CODE = {"submission.py", "deep/helper.py", "deep/rates.py", "fast.so", "settings.json"}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text(text)
    return tmp_path / "mine"


def test_code_is_what_the_main_file_can_use(folder):
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").touch()
    file = folder / "submission.py"
    assert set(code_hashes(file)) == CODE
    assert set(other_hashes(file)) == set(FILES) - CODE


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_change_of_code_and_of_nothing_else_is_a_change(folder, name):
    file = folder / "submission.py"
    before, others = code_hashes(file), other_hashes(file)
    (folder / name).write_text(FILES[name] + "\n")
    assert {key for key, value in code_hashes(file).items() if value != before[key]} == {name} & CODE
    assert {key for key, value in other_hashes(file).items() if value != others[key]} == {name} - CODE


def test_code_that_imports_by_computed_names_may_use_every_python_file(folder):
    file = folder / "submission.py"
    file.write_text("import importlib\nx = importlib.import_module(NAME)\n")
    assert set(code_hashes(file)) == {name for name in FILES if name.endswith(".py")} | {"fast.so"}


def test_a_single_file_has_what_it_imports_beside_it(folder):
    (folder / "alone.py").write_text("import rates\nimport deep.rates\n")
    (folder / "rates.py").write_text("x = 1\n")
    file = folder / "alone.py"
    assert set(code_hashes(file)) == {"alone.py", "rates.py", "deep/rates.py", "fast.so"}
    assert other_hashes(file) == {}


def test_unreadable_code_is_still_identified(folder):
    for text in ("def f(:\n", "x = " + "(" * 5000, "\0"):
        (folder / "submission.py").write_text(text)
        assert "submission.py" in code_hashes(folder / "submission.py")


def test_the_layout_of_a_search_space_is_not_its_content():
    space = [{"rate": 0.1}, {"rate": 0.2}]
    assert search_space_hash(space) == search_space_hash(json.loads(json.dumps(space, indent=3)))
    assert search_space_hash(space) != search_space_hash(space[:1])
    assert search_space_hash(None) is None


def test_changed_lines_are_found_where_git_has_the_earlier_code(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    file = folder / "submission.py"
    file.write_text("RATE = 1\nDECAY = 2\nSTEPS = 3\n")
    recorded = code_hashes(file)["submission.py"]
    commit_all(tmp_path)
    file.write_text("RATE = 1\nDECAY = 0\nSTEPS = 3\n")
    git(tmp_path, "commit", "-am", "second")
    assert changed_lines(file, recorded) == ["@@ -2 +2 @@", "-DECAY = 2", "+DECAY = 0"]
    file.write_text("x = 1\n" * 30)
    assert len(changed_lines(file, recorded)) == 11
    assert changed_lines(file, recorded)[-1] == "... 24 lines more"


def test_no_lines_are_said_where_nothing_has_the_earlier_code(tmp_path):
    file = tmp_path / "submission.py"
    file.write_text("RATE = 1\n")
    recorded = code_hashes(file)["submission.py"]
    file.write_text("RATE = 2\n")
    assert changed_lines(file, recorded) == []
    assert changed_lines(tmp_path / "gone.py", recorded) == []
    assert changed_lines(file, None) == []


def test_the_message_has_the_names_of_files_and_changed_lines_but_no_hashes(tmp_path):
    file = tmp_path / "submission.py"
    file.write_text("RATE = 1\n")
    commit_all(tmp_path)
    keys = [f"{CODE_FILE}{name}" for name in ("submission.py", "helper.py", "old.py")]
    recorded = dict(zip(keys, (code_hashes(file)["submission.py"], None, "a" * 64), strict=True))
    file.write_text("RATE = 2\n")
    now = dict(zip(keys, (code_hashes(file)["submission.py"], "b" * 64, None), strict=True))
    told = [difference_in_words(key, recorded, now, tmp_path) for key in keys]
    assert told == [
        "  submission.py has changed since\n    @@ -1 +1 @@\n    -RATE = 1\n    +RATE = 2",
        "  helper.py has come since",
        "  old.py is gone",
    ]
    assert difference_in_words("seed", {"seed": 0}, {"seed": 1}, tmp_path) == "  seed: it has 0, now it would be 1"
