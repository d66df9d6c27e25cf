"""State of JAX submissions: pytrees, optax states, weak types, keys, placement."""

import subprocess
import sys
import textwrap
from types import SimpleNamespace

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.core import FrozenDict

from algoperf.errors import CheckpointMismatch
from algoperf.frameworks.jax.codec import outline
from checkpoint_files import Files
from places import SUPPORT

PARAMS = {"dense": {"kernel": jnp.ones((2, 3)), "bias": jnp.zeros(3)}, "scale": jnp.ones(())}


@pytest.fixture
def files(tmp_path) -> Files:
    return Files(tmp_path, "jax")


def same(one, other) -> bool:
    """Equal in structure, types, weak types, keys and every bit."""
    leaves, structure = jax.tree.flatten(one)
    other_leaves, other_structure = jax.tree.flatten(other)
    return structure == other_structure and all(map(_same_leaf, leaves, other_leaves))


def _same_leaf(one, other) -> bool:
    if not isinstance(one, jax.Array):
        return type(one) is type(other) and one == other
    if jax.dtypes.issubdtype(one.dtype, jax.dtypes.prng_key):
        return one.dtype == other.dtype and _same_leaf(jax.random.key_data(one), jax.random.key_data(other))
    described = [(x.dtype, x.shape, x.aval.weak_type, x.committed, np.asarray(x).tobytes()) for x in (one, other)]
    return described[0] == described[1]


DTYPES = [
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float16",
    "float32",
    "int4",
    "int8",
    "uint32",
    "bool",
    "complex64",
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_every_type_come_back_bit_for_bit(files, dtype):
    values = [jnp.arange(4, dtype="float32").astype(dtype), jnp.zeros((0, 2), dtype), jnp.ones((), dtype)]
    for template in (values, [jnp.zeros_like(value) for value in values], [None] * 3):
        assert same(files.through(values, template), values)


def test_what_is_not_a_number_comes_back_bit_for_bit(files):
    words = jnp.array([0x7FC00001, 0xFFC00000, 0x7F800000, 0x80000000, 1], jnp.uint32)  # NaNs, inf, -0, a denormal
    value = jax.lax.bitcast_convert_type(words, jnp.float32)
    assert same(files.through(value, None), value)


@pytest.mark.parametrize("number", [3, 0.1, -0.0, float("inf"), 2 + 1j])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0)])
def test_weak_types_stay_weak(files, number, shape):
    value = jnp.full(shape, number)
    assert value.aval.weak_type
    assert same(files.through(value, None), value)


def test_typed_and_raw_keys(files):
    keys = [jax.random.key(3), jax.random.split(jax.random.key(1, impl="rbg"), 3), jax.random.PRNGKey(7)]
    restored = files.through(keys, [jax.random.key(0), None, None])
    assert same(restored, keys)
    assert jax.random.normal(restored[0]) == jax.random.normal(keys[0])


def decays(params):
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


TRANSFORMATIONS = {
    "adam": optax.adam(1e-3),
    "masked": optax.masked(optax.trace(0.9), decays),
    "multi_transform": optax.multi_transform(
        {"a": optax.adam(optax.warmup_cosine_decay_schedule(0.0, 1.0, 2, 9)), "b": optax.sgd(0.1, momentum=0.9)},
        lambda params: jax.tree.map(lambda leaf: "a" if leaf.ndim > 1 else "b", params),
    ),
    "inject_hyperparams": optax.inject_hyperparams(optax.adamw)(
        learning_rate=optax.linear_schedule(1.0, 0.1, 10), weight_decay=0.1
    ),
    "multi_steps": optax.MultiSteps(optax.adam(1e-3), 3),
    "apply_if_finite": optax.apply_if_finite(optax.sgd(0.1), 2),
    "chain": optax.chain(
        optax.clip_by_global_norm(1.0), optax.scale_by_factored_rms(), optax.add_noise(0.1, 0.5, jax.random.key(0))
    ),
    "schedule_free": optax.contrib.schedule_free_adamw(1e-2),
    "lookahead of ema": optax.chain(optax.ema(0.9), optax.scale(-1.0), optax.identity()),
}


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_optax_states_go_on_without_compiling_anew(files, name):
    """The update function is in the state, as submissions keep it, and compiled once."""
    transformation = TRANSFORMATIONS[name]
    traced = []

    @jax.jit
    def step(state, params):
        traced.append(1)
        grads = jax.tree.map(lambda leaf: leaf * 0.5 + 0.1, params)
        updates, state = transformation.update(grads, state, params)
        return state, optax.apply_updates(params, updates)

    state, params = transformation.init(PARAMS), PARAMS
    for _ in range(4):
        state, params = step(state, params)
    restored, update = files.through(
        (state, transformation.update), (transformation.init(PARAMS), transformation.update)
    )
    assert same(restored, state)
    assert update == transformation.update
    so_far = len(traced)
    assert same(step(restored, params), step(state, params))
    assert len(traced) == so_far


@flax.struct.dataclass
class TrainState:
    step: int
    params: FrozenDict
    apply: object = flax.struct.field(pytree_node=False)
    best: object = None


def test_flax_structs_frozen_dicts_and_modules(files):
    module = nn.Dense(3)

    def made(step: int, fill: float, best: object) -> TrainState:
        return TrainState(step, FrozenDict({"w": jnp.full((2,), fill)}), module.apply, best)

    template = made(0, 0.0, None)
    state = made(3, 2.0, FrozenDict({"w": jnp.ones(2)}))
    restored = files.through(state, template)
    assert same(restored, state)
    assert restored.apply == module.apply
    assert template.step == 0, "the frozen template was written to"


def test_pairs_with_compiled_and_counting_functions(files):
    def made():
        calls = 0

        def update(grads, state):
            nonlocal calls
            calls += 1
            return grads, state + calls

        return (jnp.zeros(2), jax.jit(lambda x: x * 2), update)

    zeros, _, update = made()
    update(zeros, zeros)
    state, double, update = files.through((zeros, None, update), made())
    assert double is None
    _, state = update(zeros, state)
    assert state.tolist() == [2, 2]
    _, compiled, _ = files.through(made(), made())
    assert compiled(jnp.ones(1)) == 2


def test_state_that_grows_and_shrinks(files):
    state = {"m": jnp.ones(2), "gone": None, "list": [jnp.zeros(1), jnp.ones(1)]}
    assert same(files.through(state, {"m": None, "gone": jnp.ones(3), "list": [], "old": 1}), state)


def test_host_copies_stay_on_the_host(files):
    """`device_get` gives numpy arrays, of bfloat16 too."""
    state = jax.device_get({"slow": jnp.full((2, 2), 1.5, jnp.bfloat16), "f32": jnp.ones(3)})
    restored = files.through(state, None)
    assert all(isinstance(value, np.ndarray) for value in restored.values())
    assert restored["slow"].dtype == jnp.bfloat16
    assert restored["slow"].tobytes() == state["slow"].tobytes()


def test_an_outline_of_the_template_is_enough(files):
    """Restored arrays are new, so that the memory of the template can be freed before."""
    optimizer = optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(0.1))
    other = SimpleNamespace(m=jnp.ones(2))
    state = {"state": optimizer.init(PARAMS), "key": jax.random.key(1), "more": [(jnp.float32(2.0),), None, other]}
    outlined = outline(jax.tree.map(jnp.zeros_like, {**state, "more": state["more"][:2]}) | {"more": state["more"]})
    assert type(outlined["state"][0]) is type(state["state"][0])
    assert not any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(outlined))
    assert outlined["more"][2] is other, "what is no container stays"
    restored = files.through(state, outlined)
    assert same(restored["more"].pop().m, state["more"].pop().m)
    assert same(restored, state)


def test_another_framework_is_named(tmp_path):
    Files(tmp_path, "jax").save({"m": jnp.ones(2)})
    with pytest.raises(CheckpointMismatch, match="state/m was saved by the framework 'jax'"):
        Files(tmp_path).restore({"m": None})


def test_placement_on_two_devices(tmp_path):
    """Replicated, split, on the second device, or free to move: as it was, and no recompilation."""
    script = f"""
    import sys
    sys.path.insert(0, {str(SUPPORT)!r})
    from pathlib import Path
    import jax, jax.numpy as jnp
    from algoperf import jax_sharding_utils as sharding
    from algoperf.frameworks.jax.codec import outline
    from checkpoint_files import Files

    assert jax.device_count() == 2
    ones = jnp.ones((4, 2))
    state = {{
        "replicated": jax.device_put(ones, sharding.get_replicate_sharding()),
        "split": jax.device_put(ones, sharding.get_batch_dim_sharding()),
        "second": jax.device_put(ones, jax.devices()[1]),
        "free": ones,
        "count": jax.jit(lambda x: x + 1)(jnp.int32(1)),
        "key": jax.device_put(jax.random.key(0), sharding.get_replicate_sharding()),
    }}
    free = {{name: jnp.zeros(value.shape) for name, value in state.items()}}
    files = Files(Path({str(tmp_path)!r}), "jax")
    for template in (state, free, None, outline(free), outline(state)):
        restored = files.through(state, template)
        for name, value in state.items():
            assert restored[name].sharding == value.sharding, (name, restored[name].sharding, value.sharding)
            assert restored[name].committed == value.committed, name
            assert (restored[name] == value).all()
    traced = []

    @jax.jit
    def step(replicated, split, free, count):
        traced.append(1)
        return replicated + split.sum() + free + count

    arguments = [(tree["replicated"], tree["split"], tree["free"], tree["count"]) for tree in (state, restored)]
    assert (step(*arguments[0]) == step(*arguments[1])).all()
    assert len(traced) == 1 and step._cache_size() == 1, step._cache_size()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
