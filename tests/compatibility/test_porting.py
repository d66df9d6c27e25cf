"""The examples of docs/porting.md are complete: each trains as it stands, and the loss falls."""

import re

import pytest

from algoperf.testing import train_on_digits
from places import REPOSITORY

EXAMPLES = re.findall(
    r"^```python\n(.*?)^```", (REPOSITORY / "docs" / "porting.md").read_text(), re.MULTILINE | re.DOTALL
)


def test_there_is_an_example_for_each_way():
    assert len(EXAMPLES) == 4


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_loss_falls(tmp_path, number):
    folder = tmp_path / f"example_{number}"
    folder.mkdir()
    (folder / "submission.py").write_text(EXAMPLES[number])
    framework = "jax" if "import jax" in EXAMPLES[number] else "pytorch"
    losses = train_on_digits(folder, framework=framework, ruleset="self", num_evaluations=2)
    assert losses[-1] < 0.8 * losses[0], losses
