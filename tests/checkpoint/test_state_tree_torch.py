"""State of PyTorch submissions: tensors, optimizers, schedulers, generators, and what hangs on them."""

import copy
import sys

import numpy as np
import pytest
import torch
from checkpoint_files import Files
from torch import nn
from torch.optim import lr_scheduler

from algoperf.errors import AlgoperfError, CheckpointMismatch
from algoperf.submission import load_submission


@pytest.fixture
def files(tmp_path) -> Files:
    return Files(tmp_path, "torch")


@pytest.fixture(scope="module")
def own(repository):
    load_submission(repository / "tests" / "submissions" / "own_classes")
    return sys.modules["algoperf_submission.submission"]


def same(one: object, other: object) -> bool:
    """Equal in type, structure and every bit."""
    if isinstance(one, torch.Tensor):
        described = [(x.dtype, x.shape, x.stride(), x.requires_grad, _bytes(x)) for x in (one, other)]
        return described[0] == described[1]
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def _bytes(tensor: torch.Tensor) -> bytes:
    tensor = tensor.detach().resolve_conj()
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def gradients(module: nn.Module, step: int) -> None:
    torch.manual_seed(step)
    module.zero_grad()
    module(torch.randn(5, 3)).square().mean().backward()


DTYPES = [
    torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float16, torch.float32, torch.float64,
    torch.int8, torch.uint8, torch.uint16, torch.int64, torch.bool, torch.complex64, torch.complex128,
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tensors_of_every_type_come_back_bit_for_bit(files, dtype):
    values = [torch.arange(4.0).to(dtype), torch.zeros((0, 2), dtype=dtype), torch.ones((), dtype=dtype)]
    for template in ([torch.zeros_like(value) for value in values], [None] * 3):
        assert same(files.through(values, template), values)


def test_strides_and_gradients_come_back(files):
    images = torch.randn(2, 3, 4, 4)
    values = [
        images.to(memory_format=torch.channels_last),
        images.transpose(0, 1),
        torch.randn(6)[::2],
        torch.tensor([float("nan"), float("inf"), -0.0]),
        torch.ones(2, requires_grad=True),
        torch.randn(2, dtype=torch.complex64).conj(),
    ]
    for template in (None, [torch.zeros_like(value) for value in values], [torch.zeros(1)] * 6):
        assert same(files.through(values, template), values)
    assert files.through([torch.ones(1).expand(3)], None)[0].tolist() == [1, 1, 1]


def test_generators_go_on_where_they_were(files):
    generator = torch.Generator().manual_seed(3)
    torch.randn(3, generator=generator)
    files.save([generator])
    expected = torch.randn(5, generator=generator)
    for template in ([torch.Generator()], None):
        restored = files.restore(template)[0]
        assert torch.equal(torch.randn(5, generator=restored), expected)


OPTIMIZERS = {
    "sgd": lambda params: torch.optim.SGD(params, 0.1, momentum=0.9, nesterov=True),
    "adam": lambda params: torch.optim.Adam(params, 0.01, amsgrad=True),
    "nadam": lambda params: torch.optim.NAdam(params, 0.01),
    "adafactor": lambda params: torch.optim.Adafactor(params, 0.01),
    "lbfgs": lambda params: torch.optim.LBFGS(params, 0.1, history_size=3, max_iter=2),
    "rate in a tensor": lambda params: torch.optim.AdamW(params, torch.tensor(0.01)),
}


def train(module: nn.Module, optimizer: torch.optim.Optimizer, scheduler: object, steps: range) -> None:
    for step in steps:
        gradients(module, step)
        optimizer.step(lambda: module(torch.ones(5, 3)).square().mean())
        if scheduler is not None:
            scheduler.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_go_on_exactly(files, name):
    """State made at the first step only is not there in the template."""
    module = model()
    optimizer = OPTIMIZERS[name](module.parameters())
    train(module, optimizer, None, range(3))
    files.save({"optimizer": optimizer}, module)
    fresh = model(1)
    restored = files.restore({"optimizer": OPTIMIZERS[name](fresh.parameters())}, fresh)["optimizer"]
    assert same(restored.state_dict(), optimizer.state_dict())
    for one, other in ((module, optimizer), (fresh, restored)):
        train(one, other, None, range(3, 6))
    assert same(fresh.state_dict(), module.state_dict())
    assert same(restored.state_dict(), optimizer.state_dict())


class WithFactor:
    """A schedule with state, for LambdaLR."""

    def __init__(self) -> None:
        self.factor = 1.0

    def __call__(self, step: int) -> float:
        self.factor *= 0.9
        return self.factor


SCHEDULERS = {
    "lambda": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step),
    "lambda with state": lambda optimizer: lr_scheduler.LambdaLR(optimizer, WithFactor()),
    "sequential": lambda optimizer: lr_scheduler.SequentialLR(
        optimizer,
        [lr_scheduler.LinearLR(optimizer, 0.1, total_iters=2), lr_scheduler.CosineAnnealingLR(optimizer, 5)],
        [2],
    ),
    "multistep": lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [1, 2, 5], 0.5),
    "one cycle": lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=20),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_go_on_exactly(files, name):
    def made(seed: int) -> tuple[nn.Module, dict[str, object]]:
        module = model(seed)
        optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
        return module, {"optimizer": optimizer, "scheduler": SCHEDULERS[name](optimizer)}

    module, state = made(0)
    train(module, state["optimizer"], state["scheduler"], range(3))
    files.save(state, module)
    fresh, template = made(1)
    restored = files.restore(template, fresh)
    for one, other in ((module, state), (fresh, restored)):
        train(one, other["optimizer"], other["scheduler"], range(3, 7))
    assert restored["scheduler"].get_last_lr() == state["scheduler"].get_last_lr()
    assert restored["scheduler"].optimizer is restored["optimizer"]
    assert same(fresh.state_dict(), module.state_dict())


def test_moments_in_bfloat16_stay_so(files):
    """`torch.optim.Optimizer.load_state_dict` would make them float32 (schedule-free AdamW keeps such)."""
    module = model()
    optimizer = torch.optim.Adam(module.parameters())
    train(module, optimizer, None, range(1))
    for state in optimizer.state.values():
        state["exp_avg_sq"] = state["exp_avg_sq"].bfloat16()
    files.save(optimizer, module)
    fresh = model(1)
    restored = files.restore(torch.optim.Adam(fresh.parameters()), fresh)
    assert same(restored.state_dict(), optimizer.state_dict())


def test_what_submissions_hang_on_an_optimizer(files, own):
    def made(seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
        module = model(seed)
        optimizer = torch.optim.SGD(module.parameters(), 0.1)
        optimizer.params = list(module.parameters())
        optimizer.slow, optimizer.generator, optimizer.tracker = None, np.random.default_rng(seed), own.Tracker()
        return module, optimizer

    module, optimizer = made(0)
    optimizer.slow = [param.detach().clone() for param in optimizer.params]
    optimizer.k, optimizer.weight_sum, optimizer.seen = 3, float("inf"), {1: "a", "1": "b"}
    optimizer.generator.normal()
    optimizer.tracker.best = torch.ones(2)
    optimizer.register_step_post_hook(lambda *_: None)
    files.save(optimizer, module)
    fresh, template = made(1)
    restored = files.restore(template, fresh)
    assert all(param is other for param, other in zip(restored.params, fresh.parameters(), strict=True))
    assert same(restored.slow, optimizer.slow)
    assert (restored.k, restored.weight_sum, restored.seen) == (3, float("inf"), {1: "a", "1": "b"})
    assert restored.generator.normal() == optimizer.generator.normal()
    assert torch.equal(restored.tracker.best, torch.ones(2))
    with torch.no_grad():
        fresh[0].weight.fill_(0.0)
    assert restored.slow[0].abs().sum() > 0, "the slow weights share memory with the model"


class Wrapped(torch.optim.Optimizer):
    """Sharpness-aware minimisation and others step through an optimizer inside, which state_dict leaves out."""

    def __init__(self, params) -> None:
        super().__init__(params, {"lr": 0.1})
        self.inner = torch.optim.SGD(self.param_groups, 0.1, momentum=0.9)
        self.param_groups = self.inner.param_groups

    def step(self, closure=None):
        self.inner.step(closure)


def test_an_optimizer_within_an_optimizer(files):
    module = model()
    optimizer = Wrapped(module.parameters())
    train(module, optimizer, None, range(2))
    files.save(optimizer, module)
    fresh = model(1)
    restored = files.restore(Wrapped(fresh.parameters()), fresh)
    for one, other in ((module, optimizer), (fresh, restored)):
        other.param_groups[0]["lr"] = 0.5
        train(one, other, None, range(2, 4))
    assert same(fresh.state_dict(), module.state_dict())


def test_state_by_parameter(files):
    """Dictionaries with parameters as keys, made at once or at the first step, find their parameters again."""
    module = model()
    state = {"early": dict.fromkeys(module.parameters(), 1), "late": {}}
    state["late"].update({param: torch.ones(1) * index for index, param in enumerate(module.parameters())})
    files.save(state, module)
    fresh = model(1)
    restored = files.restore({"early": dict.fromkeys(fresh.parameters(), 0), "late": {}}, fresh)
    assert [restored["early"][param] for param in fresh.parameters()] == [1] * 6
    assert [restored["late"][param].item() for param in fresh.parameters()] == [0, 1, 2, 3, 4, 5]


def test_the_model_is_never_overwritten_by_state_that_began_as_its_alias(files):
    """init: best = z = the parameters themselves. Later both are copies, and the model has moved on."""

    def made(seed: int) -> tuple[nn.Module, dict[str, object]]:
        module = model(seed)
        return module, {
            "best": list(module.parameters()),
            "z": [param.data for param in module.parameters()],
            "still": [param.data for param in module.parameters()],
        }

    module, state = made(0)
    state["best"] = [param.detach().clone() for param in module.parameters()]
    state["z"][0] = torch.full_like(state["z"][0], 7.0)
    train(module, torch.optim.SGD(module.parameters(), 0.1), None, range(2))
    files.save(state, module)
    fresh, template = made(1)
    restored = files.restore(template, fresh)
    assert same(fresh.state_dict(), module.state_dict())
    assert same(restored["best"], state["best"])
    assert restored["z"][0].unique().tolist() == [7.0]
    with torch.no_grad():
        fresh[2].bias.fill_(5.0)
    assert restored["still"][-1].tolist() == restored["z"][-1].tolist() == [5.0, 5.0]
    assert not restored["still"][-1].requires_grad


def test_sharing_among_tensors(files):
    def made(fill: float) -> dict[str, object]:
        flat = torch.full((6,), fill)
        return {"flat": flat, "views": list(flat.split(2)), "again": flat, "late": None}

    state = made(1.0)
    state["late"] = state["again"]
    restored = files.through(state, made(0.0))
    restored["flat"].add_(1)
    assert restored["views"][2].tolist() == [2, 2]
    assert restored["again"] is restored["late"] is restored["flat"]

    one = torch.zeros(2)
    restored = files.through([torch.ones(2), torch.full((2,), 2.0)], [one, one])
    assert [tensor.tolist() for tensor in restored] == [[1, 1], [2, 2]]
    with pytest.raises(CheckpointMismatch, match="state/views/0 and state/flat were parts of one array"):
        files.through(made(1.0), {})


def test_modules_within_the_state(files):
    """An averaged copy of the model, and parameters that were frozen in the meantime."""
    module = model()
    average = torch.optim.swa_utils.AveragedModel(module)
    train(module, torch.optim.SGD(module.parameters(), 0.1), None, range(2))
    average.update_parameters(module)
    module[0].weight.requires_grad_(False)
    files.save({"average": average}, module)
    fresh = model(1)
    restored = files.restore({"average": torch.optim.swa_utils.AveragedModel(fresh)}, fresh)["average"]
    assert same(fresh.state_dict(keep_vars=True), module.state_dict(keep_vars=True))
    assert same(restored.state_dict(), average.state_dict())
    assert restored.module[0].weight is not fresh[0].weight


def test_restored_tensors_are_what_autograd_knows(files):
    """Filled in place: the optimizer's parameters are the model's, and training moves them."""
    module = model()
    files.save({"optimizer": torch.optim.SGD(module.parameters(), 0.1)}, module)
    fresh = model(1)
    before = list(fresh.parameters())
    restored = files.restore({"optimizer": torch.optim.SGD(fresh.parameters(), 0.1)}, fresh)["optimizer"]
    assert all(one is other for one, other in zip(before, fresh.parameters(), strict=True))
    train(fresh, restored, None, range(1))
    assert not same(fresh.state_dict(), module.state_dict())


def test_grad_scalers_and_host_copies(files):
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(torch.ones(()))
    copies = [{name: tensor.cpu().bfloat16() for name, tensor in model().state_dict().items()}]
    restored = files.through(
        {"scaler": scaler, "copies": copies}, {"scaler": torch.amp.GradScaler("cpu"), "copies": []}
    )
    assert restored["scaler"].get_scale() == 8.0
    assert same(restored["copies"], copies)


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (None, "state/opt was a torch.optim.adam.Adam, but init_optimizer_state makes a builtins.NoneType"),
        ([nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))], "state/opt: Adam.load_state_dict failed"),
    ],
)
def test_an_optimizer_that_does_not_fit_is_refused_by_name(files, made, names):
    optimizer = torch.optim.Adam(model().parameters())
    template = None if made is None else torch.optim.Adam(made)
    with pytest.raises(CheckpointMismatch, match=names):
        files.through({"opt": optimizer}, {"opt": template})


def test_a_model_of_another_type_is_refused(files):
    files.save(None, model().bfloat16())
    with pytest.raises(CheckpointMismatch, match=r"params/.*does not keep the type"):
        files.restore(None, model())


def test_a_truncated_file_is_called_damaged_and_left_alone(files):
    path = files.save({"m": torch.ones(100)}) / "process_0.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    content = path.read_bytes()
    with pytest.raises(AlgoperfError, match=r"checkpoint_1 is damaged.*Remove it to resume from an earlier one"):
        files.restore({"m": torch.zeros(100)})
    assert path.read_bytes() == content


def test_the_state_itself_is_not_changed_by_saving(files):
    module = model()
    optimizer = torch.optim.Adam(module.parameters())
    train(module, optimizer, None, range(1))
    before = copy.deepcopy((optimizer.state_dict(), module.state_dict()))
    files.save({"optimizer": optimizer}, module)
    assert same((optimizer.state_dict(), module.state_dict()), before)


class WithoutStateDict(torch.optim.SGD):
    """As Distributed Shampoo: it has the methods, and they say that it has not."""

    def state_dict(self):
        raise NotImplementedError

    def load_state_dict(self, state_dict):
        raise NotImplementedError


def test_an_optimizer_that_has_no_state_dict_after_all(files):
    """It is taken apart as any other object; parameters are the model's, and its schedule goes on."""

    def make() -> tuple[nn.Module, torch.optim.Optimizer, lr_scheduler.ExponentialLR]:
        module = model()
        optimizer = WithoutStateDict(module.parameters(), 0.1, momentum=0.9)
        return module, optimizer, lr_scheduler.ExponentialLR(optimizer, 0.5)

    module, optimizer, schedule = make()

    def step(number: int) -> None:
        gradients(module, number)
        optimizer.step()
        schedule.step()

    step(0)
    files.save({"optimizer": optimizer, "schedule": schedule}, module)
    step(1)
    expected = [param.detach().clone() for param in module.parameters()]
    module, optimizer, schedule = make()
    restored = files.restore({"optimizer": optimizer, "schedule": schedule}, module)
    optimizer, schedule = restored["optimizer"], restored["schedule"]
    assert all(a is b for a, b in zip(optimizer.param_groups[0]["params"], module.parameters(), strict=True))
    step(1)
    assert same([param.detach() for param in module.parameters()], expected)


def test_loading_adds_nothing_to_an_optimizers_defaults(files):
    """torch.optim completes them when it loads, and what is saved later must not depend on that."""

    class Plain(torch.optim.Optimizer):
        def step(self):
            """Nothing."""

    def make() -> torch.optim.Optimizer:
        return Plain(model().parameters(), {"lr": 0.1})

    assert list(files.through(make(), make()).defaults) == ["lr"]
