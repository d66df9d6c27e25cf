"""Files that people write: what is right is read as it stands, what is wrong is refused with the place."""

from __future__ import annotations

import pytest

from algoperf.readers.json_text import read_json
from algoperf.readers.text_file import UnreadableFile, read_text
from algoperf.readers.yaml_text import read_yaml

BOMB = "a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: [*b, *b, *b, *b]\n"


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "file"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_byte_order_mark_does_not_matter(file):
    assert read_json(file(b'\xef\xbb\xbf{"a": 1}')) == {"a": 1}
    assert read_yaml(file(b"\xef\xbb\xbfa: b")) == {"a": "b"}


@pytest.mark.parametrize("read", [read_text, read_json, read_yaml])
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a: é".encode("utf-16"), "UTF-16"),
        ("a: 1".encode("utf-16-le"), "UTF-16"),
        ("a: 1\nb: é".encode("latin-1"), "line 2: byte 0xe9 is not UTF-8"),
    ],
)
def test_other_encodings_are_named(file, read, content, complaint):
    with pytest.raises(UnreadableFile, match=complaint):
        read(file(content))


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(UnreadableFile, match="no regular file"):
        read_json(tmp_path)
    with pytest.raises(UnreadableFile, match="no such file"):
        read_yaml(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "it is empty"),
        ('{"a": 1,\n "b" 2}', "line 2: it is not valid JSON: Expecting ':' delimiter, column 6"),
        ('{"a": {"b": [0, {"c": 1, "c": 1}]}}', r"the key 'a\.b\[1\]\.c' is given twice"),
        ('{"a": 1, "a": 1, "b": [[[]]]}', "'a' is given twice"),
        ('{"a": [1, NaN]}', r"a\[1\] is nan"),
        ('{"a": {"b": -Infinity}}', r"a\.b is -inf"),
        ('{"a": 1e999}', "a is inf"),
        (f'{{"a": {"9" * 5000}}}', "thousands of digits"),
        ("[" * 65 + "]" * 65, "nested deeper than 64"),
        ("[" * 100_000, "nested deeper than 64"),
    ],
)
def test_what_json_leaves_open_is_refused(file, content, complaint):
    with pytest.raises(UnreadableFile, match=complaint):
        read_json(file(content))


def test_yaml_is_read_as_it_stands(file):
    content = "a: 010\nb: 1:30\nc: no\nd: 1.10\ne: 1e-3\nf:\ng: true\nh: 'true'\ni: 2020-01-01\nj: [1_0, {k: ~}]\n"
    assert read_yaml(file(content)) == {
        "a": "010", "b": "1:30", "c": "no", "d": "1.10", "e": "1e-3", "f": None, "g": True, "h": "true",
        "i": "2020-01-01", "j": ["1_0", {"k": None}],
    }  # fmt: skip
    assert read_yaml(file("# nothing\n")) is None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a: 1\nb: {c: 1,\n  c: 2}", "line 3: the key 'c' is given twice, first in line 2"),
        (BOMB, r"line 2: it is not valid YAML: the alias \*a is not allowed"),
        ("a: &a\n  b: *a", r"alias \*a"),
        ("a: !!python/object/apply:os.getcwd []", "tag .* is not allowed"),
        ("a: !!int 010", "tag .* is not allowed"),
        ("? [1]\n: 2", "line 1: a key is a list or a table"),
        ("a: 1\nb: c: d", "line 2: it is not valid YAML"),
        ("a: 1\n---\nb: 2", "another document"),
        ("a: \x01", "special characters"),
        ("[" * 65 + "]" * 65, "nested deeper than 64"),
        ("[" * 5000, "nested deeper than 64"),
    ],
)
def test_surprises_of_yaml_are_refused(file, content, complaint):
    with pytest.raises(UnreadableFile, match=complaint):
        read_yaml(file(content))
