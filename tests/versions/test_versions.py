from __future__ import annotations

import math
from pathlib import Path

import pytest

from algoperf.errors import UserError
from algoperf.versions import Limits, load_version, version_names
from algoperf.versions.version import read_version
from algoperf.workload.registry import cube_folders, find_workload

ACCURACY = Limits("accuracy", "max", 0.97, 0.95, 20.0, 0.5, 600)

EXTRA = """
[workloads.mine.full]
metric = "loss"
goal = "min"
validation_target = 0.5
test_target = "none"
max_runtime_sec = 10
eval_period_sec = 1
step_hint = 100
"""


@pytest.fixture
def extra(tmp_path: Path) -> Path:
    file = tmp_path / "limits.toml"
    file.write_text(EXTRA)
    return file


def test_reached_counts_equality_and_never_nan_or_infinity():
    assert ACCURACY.reached(0.97)
    assert not ACCURACY.reached(0.9699999)
    loss = Limits("loss", "min", 0.5, None, 1.0, 1.0, 1)
    assert loss.reached(0.5)
    assert not loss.reached(0.50000001)
    for limits in (ACCURACY, loss):
        assert not any(limits.reached(value) for value in (math.nan, math.inf, -math.inf))


def test_test_target_is_apart_and_without_one_always_reached():
    assert ACCURACY.test_reached(0.95)
    assert not ACCURACY.test_reached(math.nan)
    assert Limits("ppl", "min", 22.0, None, 1.0, 1.0, 1).test_reached(math.nan)


def test_versions():
    assert version_names() == ("v0.5", "v0.6", "v1.0")
    assert load_version() is load_version("v0.6")
    facts = {
        name: (v.num_studies, v.num_trials, v.self_tuning_budget_factor, len(v.scored), len(v.held_out))
        for name in version_names()
        for v in [load_version(name)]
    }
    assert facts == {"v0.5": (5, 5, 3.0, 8, 6), "v0.6": (3, 5, 1.5, 8, 0), "v1.0": (3, 5, 1.5, 9, 0)}
    assert "V100" in load_version("v0.6").hardware
    assert "A100" in load_version("v1.0").hardware


@pytest.mark.parametrize("name", version_names())
def test_every_workload_has_limits(name: str):
    version = load_version(name)
    goals = {
        "loss": "min",
        "wer": "min",
        "ppl": "min",
        "ssim": "max",
        "accuracy": "max",
        "bleu": "max",
        "mean_average_precision": "max",
    }
    newer = () if name == "v1.0" else ("finewebedu_lm",)  # at scale mini only
    assert version.development == ("digits", "mnist", "cifar", *newer)
    assert {*version.scored, *version.held_out.values(), *version.development} <= set(version.workloads)
    assert set(version.held_out) <= set(version.scored)
    for workload in version.workloads:
        limits = version.limits(workload, "mini" if workload in newer else "full")
        assert limits.goal == goals[limits.metric]
        assert 0 < limits.eval_period_sec < limits.max_runtime_sec


# Workload: metric, validation target, test target; then runtime, evaluation period, step hint by version.
FACTS = {
    "criteo1tb": ("loss", 0.123735, 0.126041, (7703, 120, 10666), (7703, 120, 10666), (8915, 356, 10666)),
    "fastmri": ("ssim", 0.723653, 0.740633, (8859, 80, 36189), (4430, 80, 18094), (2745, 110, 18094)),
    "imagenet_resnet": (
        "accuracy", 0.77431, 0.6560, (63008, 510, 186666), (66159, 510, 195999), (49918, 1996, 195999)
    ),
    "imagenet_vit": (
        "accuracy", 0.77309, 0.6519, (77520, 420, 186666), (69768, 420, 167999), (64292, 2571, 167999)
    ),
    "librispeech_conformer": (
        "wer", 0.085884, 0.052981, (61068, 1440, 80000), (58015, 1440, 76000), (43680, 1747, 76000)
    ),
    "librispeech_deepspeech": (
        "wer", 0.119936, 0.074143, (55506, 1440, 48000), (44405, 1440, 38400), (36949, 1447, 38400)
    ),
    "ogbg": (
        "mean_average_precision", 0.28098, 0.268729,
        (18477, 240, 80000), (12011, 240, 52000), (11303, 452, 52000),
    ),
    "wmt": ("bleu", 30.8491, 30.7219, (48151, 840, 133333), (43336, 840, 120000), (16114, 644, 120000)),
}  # fmt: skip


@pytest.mark.parametrize("workload", FACTS)
def test_numbers_of_scored_workloads(workload: str):
    metric, validation, test, *budgets = FACTS[workload]
    for name, budget in zip(version_names(), budgets, strict=True):
        limits = load_version(name).limits(workload)
        assert (limits.metric, limits.validation_target, limits.test_target) == (metric, validation, test)
        assert (limits.max_runtime_sec, limits.eval_period_sec, limits.step_hint) == budget


@pytest.mark.parametrize(
    ("version", "variant", "validation", "test"),
    [
        ("v0.6", "criteo1tb_embed_init", 0.129657, 0.131967),
        ("v0.6", "wmt_attention_temp", 29.3379, 29.4143),
        ("v0.6", "wmt_post_ln", 30.0779, 29.8982),
        ("v0.5", "wmt_post_ln", 30.2003, 29.8982),
        ("v0.5", "criteo1tb_layernorm", 0.123744, 0.126152),
        ("v0.6", "criteo1tb_layernorm", 0.123757, 0.126152),
        ("v0.6", "criteo1tb_test", 0.123735, 0.126041),
        ("v1.0", "librispeech_deepspeech_norm_and_spec_aug", 0.14342, 0.090976),
    ],
)
def test_variants_have_targets_of_their_own_and_the_budget_of_their_base(version, variant, validation, test):
    limits = load_version(version).limits(variant)
    assert (limits.validation_target, limits.test_target) == (validation, test)
    base = load_version(version).limits(next(name for name in FACTS if variant.startswith(name)))
    assert (limits.max_runtime_sec, limits.step_hint) == (base.max_runtime_sec, base.step_hint)


# Examples of the validation and the test split, the same in all versions.
EXAMPLES = {
    "criteo1tb": (83_274_637, 95_000_000),
    "fastmri": (3554, 3581),
    "imagenet_resnet": (50_000, 10_000),
    "imagenet_vit": (50_000, 10_000),
    "librispeech_conformer": (5348, 2472),
    "librispeech_deepspeech": (5348, 2472),
    "ogbg": (43_793, 43_793),
    "wmt": (3000, 3003),
}


@pytest.mark.parametrize("name", version_names())
def test_numbers_of_evaluated_examples(name: str):
    version = load_version(name)
    for workload in version.workloads:
        if "full" not in version.table[workload]:
            assert workload == "finewebedu_lm"
            continue
        limits = version.limits(workload, "full")
        found = (limits.num_validation_examples, limits.num_test_examples)
        if workload == "finewebedu_lm":
            assert found == (100_000, None)
        elif workload not in version.development:
            assert found == EXAMPLES[next(base for base in EXAMPLES if workload.startswith(base))]


@pytest.mark.parametrize("folder", sorted(cube_folders()))
def test_cubes_have_the_numbers_of_examples_of_the_versions(folder: str):
    definition = find_workload(folder)
    limits_by_scale = {
        scale: limits for name in version_names() for scale, limits in load_version(name).table[definition.name].items()
    }
    for scale, limits in limits_by_scale.items():
        at_scale = definition.at(scale)
        assert at_scale.examples.validation == limits.num_validation_examples, scale
        assert at_scale.examples.test == limits.num_test_examples, scale


def test_numbers_of_examples_are_optional_taken_over_and_need_not_be_repeated(extra: Path):
    limits = load_version().with_extra(extra).limits("mine")
    assert (limits.num_validation_examples, limits.num_test_examples) == (None, None)
    counts = "num_validation_examples = 30\nnum_test_examples = 20\n"
    like = '[workloads.other.full]\nlike = "mine"\nnum_test_examples = 10\n'
    extra.write_text(EXTRA + counts + like)
    version = load_version().with_extra(extra)
    assert (version.limits("other").num_validation_examples, version.limits("other").num_test_examples) == (30, 10)
    extra.write_text(EXTRA)
    assert version.with_extra(extra) == version
    extra.write_text(EXTRA + counts.replace("30", "31"))
    with pytest.raises(UserError, match="differs from the limits mine already has"):
        version.with_extra(extra)


def test_self_tuning_has_a_multiple_of_the_budget():
    assert load_version("v0.6").max_runtime_sec("criteo1tb", "external") == 7703
    assert load_version("v0.6").max_runtime_sec("criteo1tb", "self") == 7703 * 1.5
    assert load_version("v0.5").max_runtime_sec("criteo1tb", "self") == 7703 * 3


def test_language_model_belongs_to_v1_and_has_no_test_target():
    assert load_version("v1.0").limits("finewebedu_lm").test_target is None
    with pytest.raises(UserError, match=r"--version v1\.0"):
        load_version("v0.6").limits("finewebedu_lm")


def test_unknown_names_are_answered_with_the_nearest(extra: Path):
    with pytest.raises(UserError, match=r"Did you mean 'v0\.6'"):
        load_version("v0.7")
    with pytest.raises(UserError, match="Did you mean 'criteo1tb'"):
        load_version().limits("criteo1t")
    with pytest.raises(UserError, match="Did you mean 'mini'"):
        load_version().limits("mnist", "minni")
    with pytest.raises(UserError, match="only at: full"):
        load_version().with_extra(extra).limits("mine", "mini")


def test_extra_limits_join_the_development_workloads(extra: Path):
    version = load_version().with_extra(extra)
    assert version.limits("mine").test_target is None
    assert version.development[-1] == "mine"
    assert version.with_extra(extra) == version
    assert "mine" not in load_version().workloads


def test_extra_limits_may_be_like_others(extra: Path):
    extra.write_text('[workloads.wmt_mine.full]\nlike = "wmt"\nvalidation_target = 31\n')
    limits = load_version().with_extra(extra).limits("wmt_mine")
    assert (limits.validation_target, limits.test_target, limits.step_hint) == (31.0, 30.7219, 120000)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("max_runtime_sec = 10\n", "", r"\[workloads.mine.full\] lacks the key\(s\) max_runtime_sec"),
        ("max_runtime_sec", "max_runtime_secs", "Did you mean 'max_runtime_sec'"),
        ("= 10\n", "= '10'\n", "max_runtime_sec must be a finite number"),
        ("= 10\n", "= 0\n", "max_runtime_sec must be above 0"),
        ("= 0.5", "= nan", "validation_target must be a finite number"),
        ("= 0.5", "= true", "validation_target must be a finite number"),
        ("= 100", "= 100.5", "step_hint must be a whole number"),
        ("= 100", "= 100\nnum_test_examples = 0", "num_test_examples must be above 0"),
        ('"none"', '"nothing"', "test_target must be a finite number"),
        ('"min"', '"minimum"', "Did you mean 'min'"),
        ("mine.full", "mine.ful", "Did you mean 'full'"),
        ("mine.full]", 'mine.full]\nlike = "wmtt"', "Did you mean 'wmt'"),
        ("mine.full", "wmt.full", "differs from the limits wmt already has"),
        ("[workloads", "[workload", "Unknown key"),
        ("[workloads.mine.full]", "[workloads]\nmine = 3\n[workloads.x.full]", "mine] must be a table"),
        ("= 10\n", "=\n", "Cannot read limits"),
    ],
)  # fmt: skip
def test_faults_of_a_file_are_named(extra: Path, old: str, new: str, message: str):
    extra.write_text(EXTRA.replace(old, new))
    with pytest.raises(UserError, match=message) as caught:
        load_version().with_extra(extra)
    assert str(extra) in str(caught.value)


HEADER = """
hardware = "a laptop"
num_studies = 1
num_trials = 2
self_tuning_budget_factor = 1.5
scored = ["mine"]
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("num_trials = 2\n", "", r"lacks the key\(s\) num_trials"),
        ("num_trials = 2", "num_trials = 2\nnum_trails = 3", "Did you mean 'num_trials'"),
        ('["mine"]', '["min"]', "Did you mean 'mine'"),
        ('["mine"]', '["mine", "mine"]', "distinct names"),
        ('["mine"]', '["mine"]\n[held_out]\nmine = "other"', "Unknown workload"),
        ('["mine"]', '["mine"]\n[held_out]\nother = "mine"', "Unknown workload"),
    ],
)
def test_faults_of_a_version_file_are_named(tmp_path: Path, old: str, new: str, message: str):
    file = tmp_path / "v9.toml"
    file.write_text((HEADER + EXTRA).replace(old, new))
    with pytest.raises(UserError, match=message) as caught:
        read_version(file)
    assert str(file) in str(caught.value)


def test_a_version_is_called_like_its_file(tmp_path: Path):
    (tmp_path / "v9.toml").write_text(HEADER + EXTRA)
    assert read_version(tmp_path / "v9.toml").name == "v9"


def test_a_missing_file_is_a_user_error(tmp_path: Path):
    with pytest.raises(UserError, match="Cannot read limits"):
        load_version().with_extra(tmp_path / "none.toml")
