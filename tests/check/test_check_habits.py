"""Habits of published submissions that the rules allow: the static check is silent about them."""

from __future__ import annotations

import pytest

from check_snippets import ARGUMENTS, sizes, step

HABITS = {
    "names in get_batch_size": sizes("if workload_name == 'wmt': return 128\nreturn {'ogbg': 512}[workload_name]"),
    "a table for it": f"SIZES = {{'wmt': 128, 'imagenet_resnet': 1024}}\n{sizes('return SIZES[workload_name]')}",
    "a table in parts": f"SIZES = {{}}\nSIZES['wmt'] = 1\nSIZES.update(ogbg=2)\n{sizes('return SIZES[workload_name]')}",
    "functions for it": f"def base(name):\n    return 'wmt' if 'wmt' in name else None\n{sizes('return len(base(x))')}",
    "other names in its functions": (
        "def size(workload):\n    print(f'{workload}', str(workload))\n    return 8\n"
        f"{sizes('return size(workload_name)')}"
    ),
    "other parameter names": "def get_batch_size(workload):\n    return {'wmt': 128}[workload]\n",
    "errors for unknown names": sizes("raise ValueError(f'Unsupported workload name: {workload_name}.')"),
    "loss types": step(
        "from algoperf import spec\nif workload.loss_type == spec.LossType.CTC_LOSS: pass\n"
        "if loss_type is spec.LossType.MEAN_ABSOLUTE_ERROR: pass"
    ),
    "parameter types": step(
        "from algoperf.spec import ParameterType as T\nif current_params_types['a'] in (T.BIAS, T.EMBEDDING): pass"
    ),
    "horizons": step(
        "warmup = int(0.05 * workload.step_hint)\nrest = max(workload.step_hint - warmup, 1)\n"
        "if global_step < warmup: pass\nif global_step > 0.5 * workload.step_hint: pass\n"
        "progress = global_step / workload.step_hint\nif progress > 0.75: pass\nif warmup > 0: pass"
    ),
    "the budget": step(
        "every = workload.eval_period_time_sec / workload.max_allowed_runtime_sec * workload.step_hint\n"
        "if global_step % every == 0: pass\nif train_state['accumulated_submission_time'] > 0.9 * "
        "workload.max_allowed_runtime_sec: pass"
    ),
    "whether lower is better": step(
        "lower = workload.target_metric_name in ('loss', 'wer')\n"
        "value = eval_results[-1][1][f'validation/{workload.target_metric_name}']"
    ),
    "test split or not": step("if workload.num_test_examples is None: pass"),
    "compilation": step(
        "import functools\nimport jax\nimport torch\nf = torch.compile(f)\n"
        "g = jax.jit(g, static_argnums=(0,), donate_argnums=(1, 2), in_shardings=s, out_shardings=s)\n"
        "h = functools.partial(jax.jit, static_argnums=(0, 1))(h)"
    ),
    "streams": step("import torch\ns = torch.cuda.Stream()\nwith torch.cuda.stream(s): pass\ntorch.cuda.synchronize()"),
    "the launcher's variables": step(
        "import os\nrank = int(os.environ.get('RANK', 0))\nlocal = os.environ['LOCAL_RANK']\n"
        "size = os.getenv('WORLD_SIZE')\nif 'LOCAL_RANK' in os.environ: pass"
    ),
    "batch norm by attribute": step(
        "for m in current_param_container.modules():\n    if hasattr(m, 'running_mean'): m.eval()"
    ),
    "batch norm by class": step(
        "import torch\nfor m in current_param_container.modules():\n"
        "    if isinstance(m, torch.nn.BatchNorm2d) or type(m).__name__ == 'LayerNorm': m.train()"
    ),
    "embeddings by name": step(
        "for name, p in current_param_container.named_parameters():\n"
        "    if 'embed' in name.lower() or 'embed_tokens' in name or p.ndim < 2 or len(p.shape) == 2: pass"
    ),
    "large dimensions": step(
        "for p in current_param_container.parameters():\n    if any(d > 40_000 for d in p.shape): pass\n"
        "    if p.shape[0] % 8 == 0 or p.shape == (3, 3): pass"
    ),
    "attributes of the optimizer": step(
        "optimizer = optimizer_state['optimizer']\noptimizer.last = global_step\n"
        "optimizer.param_groups[0]['lr'] = 0.1\noptimizer_state['steps'] = 1\n"
        "for g in optimizer.param_groups: g['lr'] = 1"
    ),
    "parameter values": step(
        "import torch\nfor p in current_param_container.parameters():\n    p.data = p.data + 1\n    p.grad = None\n"
        "    p.requires_grad = True"
    ),
    "a train_state of its own": (
        "import jax\ndef train_step(train_state, batch):\n    train_state['steps'] = 1\n    return train_state\n"
        "jitted = jax.jit(train_step)\n" + step("state = jitted(optimizer_state['inner'], batch)")
    ),
    "communication hooks": step("current_param_container.register_comm_hook(None, x)"),
    "when DDP exchanges gradients": step(
        "current_param_container.require_backward_grad_sync = False\nmodel = current_param_container\n"
        "model.require_forward_param_sync = True"
    ),
    "dropout rates of layers": step(
        "import torch\nfor m in current_param_container.modules():\n"
        "    if isinstance(m, torch.nn.Dropout): m.p = 0.1"
    ),
    "DDP": step(
        "from torch.nn.parallel import DistributedDataParallel as DDP\nmodel = current_param_container\n"
        "model = model.module if isinstance(model, DDP) else model\nmodel.train()"
    ),
    "logging": step(
        "import logging\nlogging.info('%s', global_step)\n"
        "if workload.metrics_logger is not None:\n"
        "    workload.metrics_logger.append_scalar_metrics({'loss': 1.0}, global_step)\n"
        "print('wmt ' + str(global_step))"
    ),
    "timing": step("import time\nstart = time.perf_counter()\nelapsed = time.time() - start"),
    "restarts": step("import copy\nparams, state = workload.init_model_fn(rng)\nx = copy.deepcopy(params)"),
    "types of the API": step("from algoperf import spec\nok = isinstance(workload, spec.Workload)"),
    "the end of training": step("from algoperf import spec\nraise spec.TrainingCompleteError()"),
    "the old package": (
        "from algorithmic_efficiency import spec\nfrom algorithmic_efficiency.pytorch_utils import pytorch_setup\n"
    ),
    "fused updates": step("import torch\ntorch._foreach_mul_(x, 0.9)\ntorch.nn.utils.clip_grad_norm_(x, 1.0)"),
    "collectives": step("import torch.distributed as dist\ndist.all_reduce(x, async_op=True).wait()"),
    "gradient hooks": step("for p in current_param_container.parameters(): p.register_post_accumulate_grad_hook(x)"),
    "trees": step(
        "import jax\nzeros = jax.tree.map(lambda s: s.shape_tuple, workload.param_shapes)\n"
        "x = jax.tree.leaves(zeros)\nn = len(x)\nif n > 1: pass"
    ),
    "seeds": step("import torch\nimport numpy as np\ntorch.manual_seed(1)\ng = np.random.default_rng(0)"),
    "import paths": "import os\nimport sys\nsys.path.insert(0, os.path.dirname(__file__))\n",
    "docstrings": '"""Tuned on no workload: not on wmt."""\n\ndef helper():\n    "wmt"\n',
    "helpers that are not there": "try:\n    from .threading import Thread\nexcept ImportError:\n    Thread = None\n",
    "own attributes": "class A:\n    def add(self, x):\n        self.eval_results.append(x)\n",
    "own classes": (
        "class A:\n    count = 0\n    def add(self):\n"
        "        self.count += 1\n        A.count = 2\n        A.eval = len\n"
    ),
    "own constants": f"HORIZON = 50_000\nBLOCK = 1024\n{step('if global_step == 1000 or global_step > HORIZON: pass')}",
    "evaluation mode": step("current_param_container.eval()\nresult = current_param_container(batch['inputs'])"),
}  # fmt: skip


@pytest.mark.parametrize("habit", HABITS)
def test_allowed_habits(check, write, habit):
    assert [f"{found.rule.number} {found.what}" for found in check(write({"submission.py": HABITS[habit]}))] == []


def test_batch_sizes_in_a_file_of_their_own(rules):
    files = {
        "sizes.py": "SIZES = {'wmt': 128}\ndef size_of(name):\n    return SIZES[name]\n",
        "submission.py": f"import sizes\n{sizes('return sizes.size_of(workload_name)')}",
    }
    assert rules(files) == set()


def test_a_table_for_batch_sizes_that_something_else_reads_is_none(rules):
    code = f"SIZES = {{'wmt': 128}}\n{sizes('return SIZES[workload_name]')}"
    assert rules(f"{code}{step('x = list(SIZES.values())')}") == {"2.1"}


def test_parameters_that_shadow_builtins_and_packages(rules):
    code = f"def update_params({ARGUMENTS}):\n    exit = eval = len\n    return exit(eval)\n"
    assert rules(code) == set()
