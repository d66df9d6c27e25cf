"""State of PyTorch submissions: tensors, generators, modules, and what they share."""

import copy

import pytest
import torch
from torch import nn

from algoperf.errors import AlgoperfError, CheckpointMismatch
from checkpoint_files import Files
from torch_training import model, same, train


@pytest.fixture
def files(tmp_path) -> Files:
    return Files(tmp_path, "torch")


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

    late = torch.ones(2, requires_grad=True)
    restored = files.through([late, late.detach()], [])
    restored[1].add_(1)
    assert restored[0].tolist() == [2, 2], "two names for the same memory, made later"
    assert [tensor.requires_grad for tensor in restored] == [True, False]

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


def test_grad_scalers_and_host_copies(files):
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(torch.ones(()))
    copies = [{name: tensor.cpu().bfloat16() for name, tensor in model().state_dict().items()}]
    restored = files.through(
        {"scaler": scaler, "copies": copies}, {"scaler": torch.amp.GradScaler("cpu"), "copies": []}
    )
    assert restored["scaler"].get_scale() == 8.0
    assert same(restored["copies"], copies)


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
