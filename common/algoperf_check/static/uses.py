"""Packages and functions that a submission must not use, as tables (sections 1, 2, 4 to 8 and 11)."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from algoperf_check.findings import Finding
from algoperf_check.static.analysis import Analysis, shown
from algoperf_check.static.names import GETTERS

PACKAGES: dict[str, tuple[str, ...]] = {
    # What a submission must not import. A name includes everything below it.
    "1.9": ("absl.flags",),
    "5.3": (
        "algoperf.data", "algoperf.datasets", "array_record", "datasets", "grain", "tensorflow_datasets", "tfds",
        "torchvision.datasets", "torchaudio.datasets", "webdataset",
    ),
    "6.1": (
        "_thread", "asyncio", "billiard", "concurrent", "dask", "gevent", "joblib", "loky", "multiprocess",
        "multiprocessing", "pathos", "pty", "ray", "subprocess", "threading", "torch.jit.fork", "torch.jit._fork",
        "torch.multiprocessing", "trio",
    ),
    "6.2": ("atexit", "sched", "signal"),
    "7.1": (
        "apex", "bitsandbytes", "cffi", "cpuinfo", "ctypes", "cuda", "cupy", "cutlass", "deepspeed", "flash_attn",
        "jax.experimental.mosaic", "jax.experimental.pallas", "jax.extend.ffi", "jax.ffi", "jax_triton", "numba",
        "pycuda", "torch.library", "torch.utils.cpp_extension", "transformer_engine", "triton", "tvm", "xformers",
    ),
    "8.1": ("posix",),
    "11.1": (
        "aiohttp", "boto3", "comet_ml", "ftplib", "google.cloud", "gradio", "http", "httpx", "huggingface_hub",
        "mlflow", "neptune", "paramiko", "requests", "smtplib", "socket", "socketserver", "ssl", "telnetlib",
        "torch.hub", "urllib.request", "urllib3", "wandb", "websockets", "xmlrpc",
    ),
    "11.3": ("freezegun", "time_machine"),
}  # fmt: skip

FUNCTIONS: dict[str, tuple[str, ...]] = {
    # What a submission must not call or read.
    "1.9": (
        "gc.get_objects", "gc.get_referents", "gc.get_referrers", "inspect.currentframe", "inspect.getouterframes",
        "inspect.stack", "sys._current_frames", "sys._getframe", "sys.argv", "sys.orig_argv", "traceback.extract_stack",
        "traceback.walk_stack",
    ),
    "2.3": (
        "flax.serialization.from_bytes", "flax.serialization.msgpack_restore", "flax.training.checkpoints",
        "h5py.File", "importlib.resources", "jax.numpy.load", "numpy.fromfile", "numpy.genfromtxt", "numpy.load",
        "numpy.loadtxt", "numpy.memmap", "orbax.checkpoint", "pandas.read_csv", "pandas.read_pickle", "pickle.load",
        "pkgutil.get_data", "safetensors", "torch.load",
    ),
    "4.5": ("compile", "eval", "exec", "marshal", "runpy", "types.CodeType"),
    "4.7": (
        "base64.b64decode", "base64.b85decode", "bytes.fromhex", "chr", "codecs.decode", "zlib.decompress",
    ),
    "6.1": (
        "os.fork", "os.forkpty", "os.popen", "os.posix_spawn", "os.spawnl", "os.spawnv", "os.system",
        "threading.Thread",
    ),
    "6.2": (
        "gc.callbacks", "sys.addaudithook", "sys.excepthook", "sys.setprofile", "sys.settrace", "weakref.finalize",
    ),
    "6.3": (
        "jax.debug.callback", "jax.experimental.io_callback", "jax.pure_callback", "torch.utils.data.DataLoader",
    ),
    "7.2": (
        "jax.config.update", "jax.default_matmul_precision", "jax.disable_jit", "jax.distributed.initialize",
        "jax.enable_x64", "jax.experimental.enable_x64", "torch.backends.cuda.enable_cudnn_sdp",
        "torch.backends.cuda.enable_flash_sdp", "torch.backends.cuda.enable_math_sdp",
        "torch.backends.cuda.enable_mem_efficient_sdp", "torch.backends.cuda.preferred_linalg_library",
        "torch.backends.cuda.sdp_kernel", "torch.backends.cudnn.flags", "torch.cuda.set_per_process_memory_fraction",
        "torch.nn.attention.sdpa_kernel", "torch.set_default_device", "torch.set_default_dtype",
        "torch.set_default_tensor_type", "torch.set_float32_matmul_precision", "torch.set_flush_denormal",
        "torch.set_num_interop_threads", "torch.set_num_threads", "torch.use_deterministic_algorithms",
    ),
    "8.1": ("os.putenv", "os.unsetenv"),
    "11.2": ("select.select", "time.sleep"),
    "11.3": ("time.clock_settime", "time.clock_settime_ns"),
    "11.5": (
        "flax.serialization.to_bytes", "jax.numpy.save", "jax.profiler.start_trace", "logging.FileHandler",
        "numpy.save", "numpy.savetxt", "numpy.savez", "numpy.savez_compressed", "os.link", "os.makedirs", "os.mkdir",
        "os.mkfifo", "os.remove", "os.rename", "os.replace", "os.rmdir", "os.symlink", "os.truncate", "os.unlink",
        "pickle.dump", "shutil", "tempfile", "torch.save",
    ),
    "11.6": (
        "exit", "faulthandler", "os._exit", "os.abort", "os.exec", "os.execl", "os.execv", "os.execve", "os.kill",
        "os.killpg", "os.nice", "os.sched_setaffinity", "os.setpriority", "psutil", "quit", "resource.setrlimit",
        "sys.exit", "sys.setswitchinterval",
    ),
}  # fmt: skip

IMPORTERS = ("__import__", "importlib.import_module")
_BATCH_SIZES = "algoperf.blocks.batch_sizes.BATCH_SIZES"
_HARNESS = ("algoperf", "algorithmic_efficiency")
_OPEN_PARTS = ("", "blocks", "jax_sharding_utils", "pytorch_utils", "random_utils", "spec", "task", "testing")
_OTHER_HARNESS = ("algoperf_cubes", "algoperf_scoring", "cubes", "reference_algorithms", "submission_runner")
_FRAMEWORKS = ("flax", "jax", "jaxlib", "optax", "torch")
_TOLERATED_PRIVATE = ("_foreach_", "__")


def check(analysis: Analysis) -> Iterator[Finding]:
    """All findings of the tables."""
    imported = set()
    for node, name in imports(analysis):
        for rule, prefix in _matches(PACKAGES, name):
            imported.add((analysis.project.home(node), prefix))
            yield analysis.finding(rule, node, f"{name} is imported.")
        yield from _of_harness(analysis, node, name)
        yield from _private(analysis, node, name)
    for node in analysis.project.nodes(ast.Name, ast.Attribute, ast.Call, ast.Subscript):
        yield from _use(analysis, node, imported)
    for node in analysis.project.nodes(ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith):
        yield analysis.finding("6.1", node, "Asynchronous code.")
    for node in analysis.project.nodes(ast.FunctionDef):
        if node.name == "__del__":
            yield analysis.finding("6.2", node, "`__del__` runs whenever the object is destroyed.")


def is_listed(name: str) -> bool:
    """Whether the tables contain a name, so that other checks need not report it."""
    return any(below(name, prefixes) for prefixes in FUNCTIONS.values())


def is_forbidden(package: str) -> bool:
    """Whether a package must never be imported."""
    return any(below(package, prefixes) for prefixes in PACKAGES.values())


def below(name: str, prefixes: Iterable[str]) -> str | None:
    """The prefix that a dotted name equals or is below."""
    return next((prefix for prefix in prefixes if name == prefix or name.startswith(f"{prefix}.")), None)


def _matches(tables: dict[str, tuple[str, ...]], name: str) -> Iterator[tuple[str, str]]:
    for rule, prefixes in tables.items():
        prefix = below(name, prefixes)
        if prefix is not None:
            yield rule, prefix


def imports(analysis: Analysis) -> Iterator[tuple[ast.AST, str]]:
    """Dotted names in import statements that refer outside the submission."""
    for node in analysis.project.nodes(ast.Import, ast.ImportFrom):
        names = [alias.name for alias in node.names]  # type: ignore[attr-defined]
        level = 0
        if isinstance(node, ast.ImportFrom):
            level = node.level
            names = [f"{node.module}.{name}" if node.module else name for name in names]
        for name in names:
            if not level and analysis.project.local(name, level, analysis.project.home(node)) is None:
                yield node, name.removesuffix(".*")


def _use(analysis: Analysis, node: ast.AST, imported: set) -> Iterator[Finding]:
    """Check a name in an expression; for `a.b.c`, only the whole name."""
    name = analysis.names(node)
    if isinstance(node, ast.Call) and analysis.names(node.func) not in (*GETTERS, *IMPORTERS):
        return
    if name is None or name.startswith("<") or ":" in name or _is_part(analysis, node, name):
        return
    name = name.removeprefix("builtins.")
    for rule, _ in _matches(FUNCTIONS, name):
        yield analysis.finding(rule, node, f"{_said(node, name)}.")
    for rule, prefix in _matches(PACKAGES, name):
        if (analysis.project.home(node), prefix) not in imported:
            yield analysis.finding(rule, node, f"{_said(node, name)}.")
    if name == _BATCH_SIZES and node not in analysis.batch_code:
        yield analysis.finding("2.1", node, f"{_said(node, name)}: a table by workload.")
    if name == "sys.modules" and not _is_own_module(analysis, node):
        yield analysis.finding("1.9", node, "sys.modules shows modules of the harness.")
    if not _is_imported_private(analysis, node):
        yield from _private(analysis, node, name)
    if not isinstance(node, ast.Name):
        yield from _of_harness(analysis, node, name)


def _is_part(analysis: Analysis, node: ast.AST, name: str) -> bool:
    """Whether a longer name that contains this one is checked instead, or this is an alias of a checked name."""
    parent = analysis.project.parent(node)
    if isinstance(parent, ast.Attribute) and analysis.names(parent) is not None:
        return True
    aliased = isinstance(node, ast.Name) and any(
        binding.kind == "value" and analysis.names(binding.node) == name for binding in analysis.project.bindings(node)
    )
    return aliased and not (isinstance(parent, ast.Call) and parent.func is node)


def _is_own_module(analysis: Analysis, node: ast.AST) -> bool:
    parent = analysis.project.parent(node)
    return isinstance(parent, ast.Subscript) and isinstance(parent.slice, ast.Name) and parent.slice.id == "__name__"


def _said(node: ast.AST, name: str) -> str:
    code = shown(node)
    return f"{code} is used" if code == f"`{name}`" else f"{code} is {name}"


def _of_harness(analysis: Analysis, node: ast.AST, name: str) -> Iterator[Finding]:
    package, _, rest = name.partition(".")
    if package in _HARNESS:
        parts = rest.split(".")
        if parts[0] not in _OPEN_PARTS and not is_forbidden(name):
            yield analysis.finding("4.4", node, f"{name} is not part of the API.")
    elif package in _OTHER_HARNESS and isinstance(node, (ast.Import, ast.ImportFrom)):
        yield analysis.finding("4.4", node, f"{name} is not part of the API.")


def _is_imported_private(analysis: Analysis, node: ast.AST) -> bool:
    """Whether the import that a name begins with is already reported."""
    root = node
    while isinstance(root, ast.Attribute):
        root = root.value
    bindings = analysis.project.bindings(root) if isinstance(root, ast.Name) else []
    return any(binding.kind == "import" and _has_private_part(binding.target) for binding in bindings)


def _has_private_part(name: str) -> bool:
    package, *parts = name.split(".")
    return package in _FRAMEWORKS and any(
        part.startswith("_") and not part.startswith(_TOLERATED_PRIVATE) for part in parts
    )


def _private(analysis: Analysis, node: ast.AST, name: str) -> Iterator[Finding]:
    if _has_private_part(name):
        yield analysis.finding("7.4", node, f"{name} is private.")
