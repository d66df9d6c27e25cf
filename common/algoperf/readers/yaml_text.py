"""YAML of which every value is what one sees: text, true, false, null, lists and tables.

Numbers stay text as they are written: YAML 1.1 reads 010 as 8, 1:30 as 90, 1.10 as 1.1 and `no` as false.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from algoperf.readers.text_file import DEEPEST, TOO_DEEP, UnreadableFile, read_text

_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}


class _Loader(yaml.BaseLoader):
    """Finds no types in plain words, and refuses aliases: a few lines of them stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.MarkedYAMLError(
                problem=f"the alias *{event.anchor} is not allowed", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)


def read_yaml(file: Path) -> Any:
    """The content of a YAML file, None if it is empty. Raises UnreadableFile, with the place."""
    text = read_text(file)
    try:
        root = yaml.compose(text, Loader=_Loader)
        return None if root is None else _value(root, file)
    except RecursionError:
        raise UnreadableFile(file, TOO_DEEP) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "unreadable"
        raise UnreadableFile(file, f"it is not valid YAML: {what}", None if mark is None else mark.line + 1) from None
    except yaml.YAMLError as error:
        raise UnreadableFile(file, f"it is not valid YAML: {' '.join(str(error).split())}") from None


def _value(node: yaml.Node, file: Path, depth: int = 1) -> Any:
    line = node.start_mark.line + 1
    if depth > DEEPEST:
        raise UnreadableFile(file, TOO_DEEP, line)
    if node.tag not in _TAGS:
        raise UnreadableFile(file, f"the tag {node.tag} is not allowed", line)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, file, depth + 1) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return _table(node, file, depth)
    quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
    return node.value if quoted else _CONSTANTS.get(node.value, node.value)


def _table(node: yaml.MappingNode, file: Path, depth: int) -> dict[str, Any]:
    lines: dict[str, int] = {}
    table = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise UnreadableFile(file, "a key is a list or a table. Allowed is text", line)
        if key.value in lines:
            raise UnreadableFile(file, f"the key {key.value!r} is given twice, first in line {lines[key.value]}", line)
        lines[key.value] = line
        table[key.value] = _value(value, file, depth + 1)
    return table
