"""Names that newer libraries have dropped: a submission may use them, and nothing else sees them."""

from __future__ import annotations

import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from algoperf.submission.loading import load_submission
from algoperf.submission.renamed import ARGUMENTS, NAMES
from algoperf.submission.translation import Modules, replacement

FUNCTIONS = """
def get_batch_size(workload_name): return 8
def init_optimizer_state(workload, model_params, model_state, hyperparameters, rng): return {}
def data_selection(workload, input_queue, optimizer_state, params, model_state, hyperparameters, step, rng):
    return next(input_queue)
def update_params(workload, **rest): return rest
"""


@pytest.fixture
def loaded(tmp_path):
    """A function that loads a submission with the given code, and returns it and its module."""
    path, finders = list(sys.path), list(sys.meta_path)
    names = set(sys.modules)

    def load(code, **helpers):
        folder = tmp_path / "old"
        folder.mkdir(exist_ok=True)
        for name, text in helpers.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(text))
        (folder / "submission.py").write_text(textwrap.dedent(code) + FUNCTIONS)
        submission = load_submission(folder)
        return submission, sys.modules["algoperf_submission.submission"]

    yield load
    sys.path[:], sys.meta_path[:] = path, finders
    for name in set(sys.modules) - names:
        if name.startswith("algoperf_submission") or name.endswith("_helper"):
            del sys.modules[name]


@pytest.mark.parametrize("name", sorted({*NAMES, *ARGUMENTS}))
@pytest.mark.filterwarnings("ignore")  # some are deprecated only
def test_every_replacement_exists(name):
    replacement(name)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import jax\nVALUE = jax.tree_map(lambda x: x + 1, {'a': 1})", {"a": 2}),
        ("from jax import tree_map\nVALUE = tree_map(lambda x: x + 1, {'a': 1})", {"a": 2}),
        ("from jax import tree_leaves as old, tree_util\nVALUE = old({0: 1}), tree_util.tree_leaves([2])", ([1], [2])),
        ("import jax.numpy as jnp\nVALUE = float(jnp.clip(jnp.float32(3.0), a_min=0.0, a_max=1.0))", 1.0),
        ("from jax import numpy as jnp\nVALUE = float(jnp.clip(a=3.0, a_min=None, a_max=1.0))", 1.0),
        ("import jax\nVALUE = float(jax.numpy.clip(jax.numpy.float32(-3.0), a_min=0.0))", 0.0),
        ("import jax\nimport jax.numpy as jnp\nVALUE = jax.jit(lambda x: jnp.clip(x, a_max=1.0))(2.0).item()", 1.0),
        ("from jax.config import config\nVALUE = config.jax_enable_x64", False),
        ("import jax.linear_util as lu\nVALUE = callable(lu.wrap_init)", True),
        ("import jax.linear_util\nVALUE = callable(jax.linear_util.wrap_init)", True),
        ("import jax\nKey = jax.random.KeyArray\nVALUE = isinstance(jax.random.PRNGKey(0), Key)", True),
        ("import jax.numpy as jnp\nVALUE = int(jnp.product(jnp.arange(1, 4))), float(jnp.NINF)", (6, -np.inf)),
        ("import numpy as np\nVALUE = np.product([2, 3]), np.Inf, np.float_(1.5)", (6, np.inf, 1.5)),
        ("from jax.experimental.maps import Mesh\nimport jax\nVALUE = Mesh is jax.sharding.Mesh", True),
        ("try:\n    from jax import tree_map\nexcept ImportError:\n    tree_map = 0\nVALUE = bool(tree_map)", True),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_old_names_mean_what_they_meant(loaded, code, expected):
    submission, module = loaded(f'"""Text."""\nfrom __future__ import annotations\n{code}\n')
    assert expected == module.VALUE
    assert submission.renamed


def test_helpers_and_functions_that_run_later_use_them_too(loaded):
    _, module = loaded(
        "import old_helper\nfrom old_helper import double\n",
        old_helper="import jax\ndef double(tree):\n    return jax.tree_map(lambda x: 2 * x, tree)\n",
    )
    assert module.double([1, 2]) == [2, 4]


def test_the_harness_and_the_libraries_do_not_see_them(loaded):
    before = vars(jax).copy(), vars(jnp).copy()
    loaded("import jax\nimport jax.numpy as jnp\njax.tree_map(lambda x: jnp.clip(x, a_max=1), [1.0])\n")
    assert (vars(jax), vars(jnp)) == before
    assert not hasattr(jax, "tree_map")
    with pytest.raises(TypeError):
        jnp.clip(jnp.float32(3.0), a_min=0.0)


def test_a_second_submission_replaces_the_first(loaded):
    for _ in range(2):
        loaded("import jax\njax.tree_map\n")
    assert len([finder for finder in sys.meta_path if isinstance(finder, Modules)]) == 1


def test_new_code_is_not_touched(loaded):
    code = "import jax\nimport jax.numpy as jnp\nVALUE = jax.tree.map(abs, [-1]), jnp.clip(3, min=0, max=1).item()\n"
    submission, module = loaded(code)
    assert module.VALUE == ([1], 1)
    assert submission.renamed == frozenset()
    assert not [name for name in vars(module) if name.startswith("_algoperf")]


def test_lines_of_errors_are_those_of_the_file(loaded):
    _, module = loaded('"""Text."""\nimport jax\n\ndef fail():\n    jax.tree_map(lambda x: 1 / 0, [1])\n')
    with pytest.raises(ZeroDivisionError) as error:
        module.fail()
    assert next(entry.lineno + 1 for entry in error.traceback if entry.path.name == "submission.py") == 5


def test_signs_of_the_pmap_era_are_noticed(loaded):
    submission, _ = loaded("import jax\nfrom flax import jax_utils\nf = jax.pmap(abs)\ng = jax_utils.replicate\n")
    assert submission.pmap_era == {"jax.pmap", "flax.jax_utils.replicate"}
