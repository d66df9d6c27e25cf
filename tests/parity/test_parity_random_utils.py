"""The keys of both frameworks against the reference's: single calls, and the chain of a whole trial."""

import re

import numpy as np
import pytest

import golden
from algoperf import random_utils
from algoperf.seeds import TrialKeys

CALLS = {name: getattr(random_utils, name) for name in ("PRNGKey", "split", "fold_in")}
GOLDEN = golden.read("random_utils")


@pytest.fixture(params=["jax", "pytorch"])
def framework(request):
    if request.param == "jax":
        import jax

        config = GOLDEN["jax_config"]
        assert jax.config.jax_default_prng_impl == config["jax_default_prng_impl"]
        assert jax.config.jax_threefry_partitionable == config["jax_threefry_partitionable"]
    random_utils.use_framework(request.param)
    return request.param


def words(key) -> list:
    return np.asarray(key).tolist()


def test_calls(framework):
    """Golden keys are the calls themselves, such as `split(fold_in(PRNGKey(0), 7), 4)`."""
    calls = [text for text in GOLDEN[framework] if re.match(r"(PRNGKey|split|fold_in)\(", text)]
    assert len(calls) >= 40
    for text in calls:
        value = eval(text, {"__builtins__": {}}, CALLS)
        assert words(value) == GOLDEN[framework][text], text


def test_types(framework):
    """Submissions index keys, compare them and give them to `torch.manual_seed`."""
    key = random_utils.PRNGKey(0)
    kind = re.fullmatch(r"(\w+) dtype=(\w+) shape=\((.*),\)", GOLDEN[framework]["result_type_of_PRNGKey"])
    assert (type(key).__name__, key.dtype.name, str(*key.shape)) == kind.groups()
    assert type(random_utils.fold_in(key, 7)).__name__ == GOLDEN[framework]["result_type_of_fold_in"]


@pytest.mark.parametrize("seed", [0, 42])
def test_keys_of_a_trial(framework, seed):
    expected = GOLDEN[framework][f"runner_chain(seed={seed})"]
    keys = TrialKeys(seed)
    assert words(keys.data) == expected["data_rng"]
    assert words(keys.optimizer_init) == expected["opt_init_rng"]
    assert words(keys.model_init) == expected["model_init_rng"]
    assert words(keys._loop) == expected["loop_rng"]
    steps = [[words(key) for key in keys.of_step(step)] for step in range(3)]
    assert steps == expected["step0..2 [data_select, update, prep_eval, eval]"]


def test_numpy_keys_leave_the_global_generator_alone():
    random_utils.use_framework("pytorch")
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    random_utils.split(random_utils.fold_in(random_utils.PRNGKey(0), 7))
    assert np.random.random() == expected


@pytest.mark.parametrize("seed", [np.int64(42), np.int32(42), np.array(42), 42 + random_utils.MAX_INT32])
def test_numpy_scalars_seed_like_integers(seed):
    """In the reference, NumPy scalars gave an unseeded stream."""
    random_utils.use_framework("pytorch")
    assert words(random_utils.PRNGKey(seed)) == [1608637542, 1273642419]


def test_negative_seeds():
    random_utils.use_framework("pytorch")
    assert words(random_utils.PRNGKey(-5)) == [664996532, 1143594053]
