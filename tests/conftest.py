"""What all tests share. Libraries read the environment when they are imported, so it is set before any of them."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

# Tests run side by side, and trials beside tests: threads of libraries would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What JAX compiles here runs a few times: compiling it without optimisations takes a fraction of the time, and values
# move in the last bit. tests/parity optimises as users' runs do.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# Trials of tests run side by side, and neither wait for a trial of the user nor let one wait.
os.environ.setdefault("ALGOPERF_SHARE", "1")
if "ALGOPERF_LOCKS" not in os.environ:
    _LOCKS = tempfile.TemporaryDirectory(prefix="locks_")
    os.environ["ALGOPERF_LOCKS"] = _LOCKS.name
# A clean process per trial takes two seconds of a processor: tests of evaluations, the API and resume ask for it.
os.environ.setdefault("ALGOPERF_EVALUATION", "together")
# JAX keeps what it has compiled, which is most of its time here, for the other processes of the run.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _COMPILED = tempfile.TemporaryDirectory(prefix="jax_cache_")
    os.environ.update(
        JAX_COMPILATION_CACHE_DIR=_COMPILED.name,
        JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
        JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES="-1",
    )

import hypothesis
import pytest

from algoperf import random_utils
from algoperf.data.contracts import Dataset, dataset_dir
from algoperf.datasets.digits import DIGITS
from algoperf.datasets.mnist.dataset import MNIST
from places import REPOSITORY

hypothesis.settings.register_profile("patient", deadline=None)  # a busy machine may take long for an example
hypothesis.settings.load_profile("patient")
pytest.register_assert_rewrite("trial_runs")  # says what differs in its assertions, too


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root folder."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder that all processes of the run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def raw_data(shared) -> Callable[[Dataset, str], Path]:
    """Raw data of a dataset at a scale, after making sure that they are there. To be read only."""

    def made(dataset: Dataset, scale: str) -> Path:
        folder = dataset_dir(shared / "raw", dataset, scale)
        with one_at_a_time(shared / f"{dataset.name}.{scale}.raw"):
            if not folder.exists():
                unfinished = shared / f"{dataset.name}.{scale}.unfinished"
                dataset.miniature(unfinished) if scale == "mini" else dataset.download(unfinished)
                folder.parent.mkdir(parents=True, exist_ok=True)
                unfinished.rename(folder)
        return folder

    return made


@pytest.fixture(scope="session")
def prepare(shared, raw_data) -> Callable[[Dataset, str], Path]:
    """Root of preprocessed data, after making sure that a dataset at a scale is there. To be read only."""

    def prepared(dataset: Dataset, scale: str) -> Path:
        root = shared / "data"
        with one_at_a_time(shared / f"{dataset.name}.{scale}.data"):
            if not dataset_dir(root, dataset, scale).exists():
                dataset.preprocess(raw_data(dataset, scale), dataset_dir(root, dataset, scale))
        return root

    return prepared


@contextlib.contextmanager
def one_at_a_time(name: Path) -> Iterator[None]:
    """Other processes of the run wait here."""
    with name.with_name(f"{name.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def data_root(prepare) -> Path:
    """Root of preprocessed data: digits at scale full, mnist at scale mini, and what others prepare there."""
    prepare(DIGITS, "full")
    return prepare(MNIST, "mini")


@pytest.fixture(scope="module")
def optimised_jax() -> Iterator[None]:
    """What JAX compiles meanwhile is optimised, as users' runs are."""
    import jax

    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="module", autouse=True)
def _keys_of_the_default_framework():
    """Undo what `load_backend` sets for a whole process."""
    before = random_utils._framework
    yield
    random_utils.use_framework(before)
