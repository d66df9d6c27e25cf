"""Rules of the model track that can be read in the code (section 17), and which of the other rules hold there."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator

from algoperf_check.findings import Finding
from algoperf_check.rules import RULES
from algoperf_check.static.analysis import Analysis, shown
from algoperf_check.static.uses import below, imports

_OTHERS_WEIGHTS = (
    "diffusers", "huggingface_hub", "keras.applications", "kagglehub", "open_clip", "segmentation_models_pytorch",
    "sentence_transformers", "tensorflow_hub", "timm", "torch.hub", "torchaudio.pipelines", "torchvision.models",
    "transformers",
)  # fmt: skip
_LOADERS = ("from_pretrained", "from_state_dict", "load_state_dict", "load_state_dict_from_url", "restore_checkpoint")
_LABELS = "targets"  # the field of a batch that a model is never given

NOT_HERE = ("1.1", "1.2", "1.8", "1.10", "1.12", "2.1", "4.3", "4.6", "9.")
"""Rules, or sections, that do not hold in the model track: the data set is known, and the model is the submission's."""
_HARDER = {"2.3": "17.2"}
"""Rules that are warnings for algorithms, and errors for models."""


def holding(findings: list[Finding]) -> list[Finding]:
    """The findings that count in the model track, under the rules that they break there."""
    kept = [finding for finding in findings if not _is_left_out(finding.rule.number)]
    return [
        dataclasses.replace(finding, rule=RULES[_HARDER.get(finding.rule.number, finding.rule.number)])
        for finding in kept
    ]


def _is_decoder(analysis: Analysis, function: ast.AST) -> bool:
    return getattr(function, "name", "") == "decode" and isinstance(analysis.project.parent(function), ast.Module)


def _is_left_out(number: str) -> bool:
    return any(number == one or (one.endswith(".") and number.startswith(one)) for one in NOT_HERE)


def check(analysis: Analysis) -> Iterator[Finding]:
    """Findings in the files that build a model."""
    for node, name in imports(analysis):
        if below(name, _OTHERS_WEIGHTS):
            yield analysis.finding("17.1", node, f"{name} is imported.")
    for call in analysis.project.calls():
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name in _LOADERS:
            yield analysis.finding("17.1", call, f"{shown(call)} loads weights.")
        for keyword in call.keywords:
            given = keyword.value.value if isinstance(keyword.value, ast.Constant) else keyword.value
            if keyword.arg == "pretrained" and given not in (False, None):
                yield analysis.finding("17.1", call, f"{shown(call)} asks for pretrained weights.")
    for text in analysis.project.nodes(ast.Constant):
        if text.value == _LABELS:
            yield analysis.finding("17.3", text, f"{text.value!r} is a field of a batch that a model is not given.")
    functions = list(analysis.project.functions())
    decoders = [function for function in functions if _is_decoder(analysis, function)]
    for function in decoders or functions:  # a model that decodes is trained on both texts, and decodes from one
        names = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
        for name in names:
            if name in ("labels", _LABELS):
                yield analysis.finding("17.3", function, f"An argument is called {name!r}; a model is given inputs.")
