"""What the static check finds in code: snippets and the rules that they break."""

from __future__ import annotations

import pytest

from check_snippets import ARGUMENTS, HEADER, sizes, step

BREACHES = [
    # 1: which workload is this?
    (step("if workload.name == 'wmt': pass"), {"1.1", "1.8"}),
    (step("name = 'imagenet' + '_' + 'vit'"), {"1.1"}),
    (step("part = 'vit'\nname = f'imagenet_{part}'"), {"1.1"}),
    (step("name = '_'.join(['librispeech', 'conformer'])"), {"1.1"}),
    (step("name = b'wmt'.decode()"), {"1.1"}),
    (step("if some_bytes == b'wmt': pass"), {"1.1"}),
    (step("match str(batch):\n    case 'ogbg': pass"), {"1.1"}),
    (step("if 'conformer' in some_text: pass"), {"1.1"}),
    (step("if some_text.startswith('librispeech'): pass"), {"1.1"}),
    (step("if some_text in 'wmt, ogbg': pass"), {"1.1"}),
    (step("import re\nif re.search('^imagenet_.*', some_text): pass"), {"1.1"}),
    (step("import re\nif re.match('(criteo|fastmri)', some_text): pass"), {"1.1"}),
    (step("if some_text == 'FastMRIWorkload': pass"), {"1.1"}),
    (step("if type(workload).__name__ == x: pass"), {"1.2"}),
    (step("if workload.__class__ is x: pass"), {"1.2"}),
    (step("if isinstance(workload, x): pass"), {"1.2"}),
    (step("if 'x' in str(workload): pass"), {"1.2"}),
    (step("text = f'{workload}'"), {"1.2"}),
    (step("text = workload.model_fn.__module__"), {"1.2"}),
    (step("import inspect\ntext = inspect.getsource(workload.model_fn)"), {"1.2"}),
    (step("text = getattr(workload, '__class__')"), {"1.2"}),
    (step("text = type(current_param_container).__name__"), {"1.2"}),
    (step("w = workload\nkind = type(w)"), {"1.2"}),
    (step("for w in [workload]: kind = type(w)"), {"1.2"}),
    (step("def inner(w=workload): return type(w)"), {"1.2"}),
    ("def same(w):\n    return w\n" + step("kind = type(same(workload))"), {"1.2"}),
    (step("kind = object.__getattribute__(workload, '__class__')"), {"1.2"}),
    (step("kind = str(current_param_container)"), {"1.2"}),
    (f"def helper(w):\n    return type(w)\n{step('helper(workload)')}", {"1.2"}),
    (f"class State:\n    def __init__(self, w):\n        self.kind = repr(w)\n{step('State(workload)')}", {"1.2"}),
    (step("x = workload.vocab_size"), {"1.8"}),
    (step("if hasattr(workload, 'use_silu'): pass"), {"1.8"}),
    (step("x = workload._model"), {"1.8"}),
    (step("x = workload.metrics_logger.path"), {"1.8"}),
    (step("import sys\nx = sys.argv"), {"1.9"}),
    (step("import sys as s\nx = s._getframe(1).f_locals"), {"1.9"}),
    (step("from inspect import stack\nx = stack()"), {"1.9"}),
    (step("import gc\nx = gc.get_objects()"), {"1.9"}),
    (step("import sys\nx = [m for m in sys.modules if 'cubes' in m]"), {"1.9"}),
    (step("x = open('/proc/' + 'self/cmdline')"), {"1.9", "2.3"}),
    ("def data_selection(workload, queue, *rest):\n    return queue._source\n", {"1.9"}),
    ("def data_selection(workload, queue, *rest):\n    return queue.gi_frame\n", {"1.9"}),
    (step("wmt_rate = 0.1"), {"1.10"}),
    (step("rates = dict(wmt=1, ogbg=2)"), {"1.10"}),
    ("class Rates:\n    wmt = 0.1\n", {"1.10"}),
    (step("text = 'wmt 0.1 ogbg 0.2'.split()"), {"1.10"}),
    (step("if workload.num_train_examples == 1281167: pass"), {"1.12"}),
    (step("hint = workload.step_hint\nif hint < 10_667 - 1: pass"), {"1.12"}),
    (f"LONG = 100_000\n{step('if workload.step_hint > LONG: pass')}", {"1.12"}),
    (step("if workload.step_hint in (18_094, 52_000): pass"), {"1.12"}),
    (step("if abs(workload.validation_target_value - 0.123735) < 1e-5: pass"), {"1.12"}),
    (step("match workload.step_hint:\n    case 120_000: pass"), {"1.12"}),
    (step("rate = {10_666: 1.0}[workload.step_hint]"), {"1.12"}),
    (step("rate = rates.get(workload.step_hint)"), {"1.12"}),
    (step("rate = (0.1, 0.2)[workload.step_hint % 2]"), {"1.12"}),
    (f"RATES = {{10_666: 0.1, 18_094: 0.2}}\n{step('rate = RATES[x]')}", {"1.12"}),
    (step("if param.shape == (1000, 2048): pass"), {"1.12"}),
    (step("if x in [p.shape_tuple for p in y] or (224, 3) == z.shape: pass"), {"1.12"}),
    (step("if len(list(x.parameters())) == 161: pass"), {"1.12"}),
    (step("if workload.target_metric_name == 'bleu': pass"), {"1.12"}),
    (step("if workload.target_metric_name in ('accuracy', 'ssim'): pass"), {"1.12"}),
    # 2: knowledge from elsewhere
    (f"RATES = {{'wmt': 0.1, 'ogbg': 0.2}}\n{step('rate = RATES[x]')}", {"2.1"}),
    (f"from algoperf.blocks.batch_sizes import BATCH_SIZES\n{step('names = list(BATCH_SIZES)')}", {"2.1"}),
    (step("import torch\nx = torch.load('weights')"), {"2.3"}),
    (step("x = open('table.txt').read()"), {"2.3"}),
    (step("from pathlib import Path\nx = Path('a').read_bytes()"), {"2.3"}),
    (step("import pickle\nx = pickle.load(y)"), {"2.3"}),
    (f"DATA = '{'x' * 9000}'\n", {"2.4"}),
    (f"DATA = {[0.5] * 501}\n", {"2.4"}),
    # 3: get_batch_size
    (sizes("return 0.5"), {"3.1"}),
    (sizes("return"), {"3.1"}),
    (f"SIZES = {{'wmt': {{'size': 1, 'rate': 2}}}}\n{sizes('return SIZES[workload_name][0]')}", {"3.1"}),
    (sizes("global NAME\nNAME = workload_name\nreturn 1"), {"3.2"}),
    (f"SEEN = []\n{sizes('SEEN.append(workload_name)' + chr(10) + 'return 1')}", {"3.2"}),
    (f"SEEN = {{}}\n{sizes('SEEN[0] = workload_name' + chr(10) + 'return 1')}", {"3.2"}),
    (sizes("get_batch_size.name = workload_name\nreturn 1"), {"3.2"}),
    ("def get_batch_size(name, seen=[]):\n    seen.append(name)\n    return 8\n", {"3.2"}),
    (sizes("setattr(len, 'name', workload_name)\nreturn 8"), {"3.2"}),
    (sizes("globals()['NAME'] = workload_name\nreturn 8"), {"3.2"}),
    # 4: workload, packages, model
    (step("workload.step = 1"), {"4.1"}),
    (step("setattr(workload, 'step_hint', 1)"), {"4.1"}),
    (step("workload.__dict__['step_hint'] = 1"), {"1.2", "4.1"}),
    (step("vars(workload)['step_hint'] = 1"), {"1.2", "4.1"}),
    (step("object.__setattr__(workload, 'x', 1)"), {"4.1"}),
    (step("del workload.metrics_logger"), {"4.1"}),
    (step("workload.param_shapes.clear()"), {"4.1"}),
    (step("import torch\ntorch.nn.Linear.forward = x"), {"4.2"}),
    (step("import torch.nn.functional as F\nF.relu = x"), {"4.2"}),
    (step("from algoperf import spec\nspec.LossType = x"), {"4.2"}),
    (step("import jax\nsetattr(jax.numpy, 'dot', x)"), {"4.2"}),
    (step("from unittest import mock\nmock.patch('time.time').start()"), {"4.2"}),
    (step("import sys\nsys.modules['x'] = y"), {"1.9", "4.2"}),
    (step("current_param_container.forward = x"), {"4.3"}),
    (step("for m in current_param_container.modules():\n    m.forward = x"), {"4.3"}),
    (step("for n, m in current_param_container.named_modules():\n    setattr(m, n, x)"), {"4.3"}),
    (step("from algoperf.trial.loop import run"), {"4.4"}),
    (step("import algoperf.trial.clock as c"), {"4.4"}),
    (step("import algoperf\nx = algoperf.records.trial_records"), {"4.4"}),
    (step("from algorithmic_efficiency.workloads import x"), {"4.4"}),
    (step("exec('x = 1')"), {"4.5"}),
    (step("x = eval(y)"), {"4.5"}),
    (step("run = exec\nrun(y)"), {"4.5"}),
    (step("import marshal\nmarshal.loads(x)"), {"4.5"}),
    (step("for m in current_param_container.modules():\n    m.momentum = 0.1"), {"4.6"}),
    (step("x.register_forward_hook(y)"), {"4.6"}),
    (step("import torch\nx = torch.nn.Dropout(0.5)"), {"4.6"}),
    (step("x = getattr(workload, batch)"), {"4.7"}),
    (step("import importlib\nx = importlib.import_module(name)"), {"4.7"}),
    (step("import os\nx = getattr(os, name)"), {"4.7"}),
    (step("import codecs\nx = codecs.decode('jzg', 'rot13')"), {"4.7"}),
    (step("import builtins\nbuiltins.exec(x)"), {"4.5"}),
    (step("__builtins__['exec'](x)"), {"4.5"}),
    (step("name = ''.join(chr(c) for c in codes)"), {"4.7"}),
    (step("import types\nf = types.FunctionType(code, x)"), {"4.5"}),
    # 5: data
    (step("q = workload._build_input_queue(rng, 'train', '/data', 32)"), {"5.1"}),
    (step("q = getattr(workload, '_build_' + 'input_queue')"), {"5.1"}),
    (step("q = workload.eval_model(1, 2)"), {"5.1"}),
    (step("x = make(split='validation')"), {"5.2"}),
    (step("q = workload._build_input_queue(rng, 'test', '/data', 32)"), {"5.1", "5.2"}),
    (step("import torchvision.datasets"), {"5.3"}),
    (step("from algoperf.datasets import mnist"), {"5.3"}),
    # 6: work at other times
    (step("import threading"), {"6.1"}),
    (step("from concurrent.futures import ThreadPoolExecutor"), {"6.1"}),
    (step("from torch import multiprocessing"), {"6.1"}),
    (step("import os\nos.system('x')"), {"6.1"}),
    (step("x = __import__('subprocess')"), {"6.1"}),
    (step("import importlib\nx = importlib.import_module('thr' + 'eading')"), {"6.1"}),
    ("async def wait(): pass\n", {"6.1"}),
    (step("import atexit"), {"6.2"}),
    (step("import weakref\nweakref.finalize(x, y)"), {"6.2"}),
    (step("import weakref\nkept = weakref.ref(x, y)"), {"6.2"}),
    ("class Late:\n    def __del__(self): pass\n", {"6.2"}),
    (step("import jax\njax.pure_callback(x, y)"), {"6.3"}),
    (step("from torch.utils.data import DataLoader\nDataLoader(x)"), {"6.3"}),
    # 7: kernels and settings
    (step("import triton.language as tl"), {"7.1"}),
    (step("from torch.utils import cpp_extension"), {"7.1"}),
    (step("import jax.experimental.pallas as pl"), {"7.1"}),
    (step("import ctypes"), {"7.1"}),
    (step("import torch.backends as tb\ntb.cudnn.benchmark = True"), {"7.2"}),
    (step("import torch\ntorch.backends.cuda.matmul.allow_tf32 = True"), {"7.2"}),
    (step("from torch import set_float32_matmul_precision as p\np('high')"), {"7.2"}),
    (step("import torch\nc = torch.backends.cudnn\nc.allow_tf32 = True"), {"7.2"}),
    (step("import jax\njax.config.update('jax_enable_x64', True)"), {"7.2"}),
    (step("from jax import config\nconfig.jax_enable_x64 = True"), {"7.2"}),
    (step("import torch\ntorch._dynamo.config.cache_size_limit = 1"), {"7.2", "7.4"}),
    (step("import torch\ntorch.compile(x, options={'a': 1})"), {"7.3"}),
    (step("import jax\njax.jit(x, compiler_options={'a': 1})"), {"7.3"}),
    (step("from jax._src import core"), {"7.4"}),
    (step("import torch\ntorch._C.x()"), {"7.4"}),
    (step("import torch\ntorch.compile(x, mode='max-autotune')"), {"7.5"}),
    # 8: environment
    (step("from os import environ as e\ne['XLA_FLAGS'] = '1'"), {"8.1"}),
    (step("import os\nos.environ.setdefault('A', '1')"), {"8.1"}),
    (step("import os\nos.putenv('A', '1')"), {"8.1"}),
    (step("import os\ndel os.environ['A']"), {"8.1"}),
    (step("import os\nos.environb[b'A'] = b'1'"), {"8.1"}),
    (step("import posix"), {"8.1"}),
    (step("import os\ne = os.environ\ne.update(A='1')"), {"8.1"}),
    (step("import os\nos.environ |= {'A': '1'}"), {"8.1"}),
    (step("import os\nx = os.environ.get('HOME')"), {"8.2"}),
    (step("import os\nx = os.getenv('CUDA_VISIBLE_DEVICES')"), {"8.2"}),
    (step("import os\nx = dict(os.environ)"), {"8.2"}),
    # 10: the versions of today
    (step("import functools\nimport jax\nf = functools.partial(jax.pmap, axis_name='batch')(f)"), {"10.9"}),
    (step("from jax import pmap\nf = pmap(f)"), {"10.9"}),
    (step("from flax import jax_utils\nstate = jax_utils.replicate(optimizer_state)"), {"10.9"}),
    # 11: the outside world
    (step("import requests"), {"11.1"}),
    (step("import urllib.request as u"), {"11.1"}),
    (step("import torch\ntorch.hub.load(x)"), {"11.1"}),
    (step("import wandb"), {"11.1"}),
    (step("import time\ntime.sleep(1)"), {"11.2"}),
    (step("from time import sleep as s\ns(1)"), {"11.2"}),
    (step("import time\ngetattr(time, 'sle' + 'ep')(1)"), {"11.2"}),
    ("from time import *\nsleep(1)\n", {"11.2"}),
    (step("import time\ntime.monotonic = x"), {"11.3"}),
    (step("train_state['is_time_remaining'] = True"), {"11.4"}),
    (step("train_state.update(x)"), {"11.4"}),
    (step("eval_results.append(x)"), {"11.4"}),
    (step("for _, metrics in eval_results: metrics['validation/loss'] = 0.0"), {"11.4"}),
    (step("eval_results[-1][1]['validation/loss'] = 0.0"), {"11.4"}),
    ("def update_params(workload, **rest):\n    rest['train_state']['x'] = type(rest['workload'])\n", {"1.2", "11.4"}),
    (step("import torch\ntorch.save(x, y)"), {"11.5"}),
    (step("with open('a', 'w') as f: pass"), {"11.5"}),
    (step("import shutil\nshutil.rmtree(x)"), {"11.5"}),
    (step("import sys\nsys.exit(0)"), {"11.6"}),
    (step("import os\nos._exit(0)"), {"11.6"}),
    (step("exit()"), {"11.6"}),
    # 12: files that cannot be read
    ("def update_params(:\n", {"12.1"}),
    ("return 1\n", {"12.1"}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "broken"), BREACHES, ids=range(len(BREACHES)))
def test_breaches(rules, code, broken):
    assert rules(code, ruleset="self") == broken, code[:1000]


def test_the_workload_under_any_name_and_place(rules):
    code = f"""
def init_optimizer_state(w, params, state, hyper, rng):
    return {{"workload": w, "kind": type(w)}}

def update_params({ARGUMENTS}):
    return repr(optimizer_state["workload"])
"""
    assert rules(code) == {"1.2"}


def test_helper_files_are_checked_too(rules):
    files = {
        "submission.py": "from mine.parts import table\nfrom .parts.more import helper\n" + step("helper(workload)"),
        "parts/__init__.py": "",
        "parts/table.py": "RATES = {'wmt': 1}\nimport threading\n",
        "parts/more.py": "def helper(w):\n    w.x = type(w)\n",
    }
    assert rules(files) == {"1.2", "2.1", "4.1", "6.1"}


def test_a_file_that_cannot_be_read_does_not_hide_the_others(check, write):
    folder = write({"broken.py": "def f(:\n", "submission.py": "import broken, threading\n"})
    assert {(found.rule.number, found.place) for found in check(folder)} == {
        ("12.1", "broken.py:1"),
        ("6.1", "submission.py:2"),
    }


@pytest.mark.parametrize("terms", [500, 2_000, 100_000])
def test_deeply_nested_code(rules, terms):
    """It is either checked, or said that it was not."""
    code = f"x = {' + '.join(['y'] * terms)}\nimport threading\n"
    assert rules(code) in ({"6.1"}, {"12.1"})


def test_other_encodings(rules):
    code = "# -*- coding: latin-1 -*-\n# SPDX-License-Identifier: Apache-2.0\nx = '\xe4'\nimport threading\n"
    assert rules({"submission.py": code.encode("latin-1")}) == {"6.1"}
    assert rules({"submission.py": code.encode("latin-1")[26:]}) == {"12.1"}


def test_only_the_files_of_a_submission_that_is_a_file(check, write):
    """A `.py` file brings what it imports from beside it; other files there are not its own."""
    folder = write({"one.py": HEADER + "import two\n", "two.py": "import threading\n", "three.py": "import signal\n"})
    assert {found.place for found in check(folder / "one.py")} == {"two.py:1"}


def test_findings_have_the_place(check, write):
    (found,) = check(write({"submission.py": step("x = 1\nimport threading")}))
    assert found.place == "submission.py:4"
    assert "threading" in found.what
    assert found.as_json()["link"] == "docs/rules.md#rule-6-1"
