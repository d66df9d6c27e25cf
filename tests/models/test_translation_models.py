"""The translation model: translations do not depend on what is in the batch with a sentence, nor on the cache."""

from __future__ import annotations

import numpy as np
import pytest

from algoperf.frameworks.beams import length_factor
from algoperf.spec import ForwardPassMode
from algoperf.workload import registry
from bound_workload import bind
from contract_case import kit_of

SMALL = {"width": 16, "num_heads": 2, "num_layers": 2, "mlp_width": 8}
LENGTH, BEAMS, END, VOCAB = 12, 4, 2, 96
VARIANTS = [{}, {"pre_ln": False}, {"attention_temp": 4.0}, {"activation": "tanh", "glu": True}]


class Translator:
    """A small model of a framework that writes few unknown words. What it compiles serves all of its weights."""

    def __init__(self, framework, **settings):
        self.framework, self.kit = framework, kit_of(framework)
        self.workload = bind("wmt", "mini", framework, **SMALL, **settings)
        self.evaluate = registry.model_module(self.workload.definition, framework).evaluate
        self.compiled = self.kit.compile(self._translated), self.kit.compile(self._forward)

    def init(self, seed):
        """New weights."""
        params, _ = self.workload.init_model_fn(self.kit.key(seed))
        if self.framework == "jax":
            table = sharpened(params["shared_embedding"]["embedding"])
            params["shared_embedding"]["embedding"] = self.kit.jax.numpy.asarray(table)
        else:
            with self.kit.torch.no_grad():
                weight = params.shared_embedding.weight
                weight.copy_(self.kit.torch.from_numpy(sharpened(weight.numpy())))
        self.params = params

    def translate(self, inputs):
        """The best translations (B, LENGTH - 1) that the model finds."""
        return np.asarray(self.compiled[0](self.params, self.kit.tensor(inputs.astype(self.kit.integer))))

    def scores(self, inputs, written):
        """Log-probabilities (B, VOCAB) of what follows `written` (B, t), without a cache: all at once, masked."""
        count, length = written.shape
        targets = np.zeros((BEAMS, LENGTH), self.kit.integer)
        targets[:count, :length] = written
        targets[:, length] = 1  # any known token: it is behind what is read, but a query needs one
        sources = np.repeat(inputs[None], BEAMS, axis=0).astype(self.kit.integer)
        batch = {"inputs": self.kit.tensor(sources), "targets": self.kit.tensor(targets)}
        logits = np.asarray(self.compiled[1](self.params, batch), np.float64)[:count, length]
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def _translated(self, params, inputs):
        batch = {"inputs": inputs, "targets": np.zeros((len(inputs), LENGTH))}
        if self.framework == "jax":
            return self.evaluate(self.workload._module, params, None, batch, None)["translations"]
        with self.kit.torch.no_grad():
            return self.evaluate(params.eval(), None, None, batch, None)["translations"]

    def _forward(self, params, batch):
        key = self.kit.key(0)
        return self.workload.model_fn(params, batch, None, ForwardPassMode.EVAL, key, update_batch_norm=False)[0]


def sharpened(table):
    """A table of embeddings with which tokens differ more, ends are frequent, and unknown words hardly ever best."""
    table = 2 * np.array(table)
    table[END] *= 3
    table[0] = 0
    return table


def plain_search(translator, sentence):
    """Beam search for one sentence, as a list of hypotheses; every step reads everything again."""
    live, finished = [((), 0.0)], []
    for length in range(1, LENGTH):
        written = np.array([tokens for tokens, _ in live], np.int64).reshape(len(live), length - 1)
        scores = translator.scores(sentence, written)
        grown = [
            ((*tokens, token), score + scores[row, token])
            for row, (tokens, score) in enumerate(live)
            for token in np.argsort(-scores[row])[: 2 * BEAMS].tolist()
        ]
        best = sorted(grown, key=lambda hypothesis: -hypothesis[1])[: 2 * BEAMS]
        factor = length_factor(length, 0.6)
        finished += [(tokens, score / factor) for tokens, score in best if tokens[-1] == END]
        finished = sorted(finished, key=lambda hypothesis: -hypothesis[1])[:BEAMS]
        live = [hypothesis for hypothesis in best if hypothesis[0][-1] != END][:BEAMS]
        if len(finished) == BEAMS and finished[-1][1] > live[0][1] / length_factor(LENGTH, 0.6):
            break
    tokens = (finished or live)[0][0]
    return [*tokens, *[0] * (LENGTH - 1 - len(tokens))]


def sentences(count, seed=0):
    rng = np.random.default_rng(seed)
    inputs = rng.integers(3, VOCAB, size=(count, 10)).astype(np.int32)
    for row, length in enumerate(rng.integers(2, 10, size=count)):
        inputs[row, length:] = 0
        inputs[row, length] = END
    return inputs


@pytest.fixture(scope="module", params=["jax", "pytorch"])
def translator(request):
    """The model of the base workload."""
    return Translator(request.param)


def check_against_plain_search(translator):
    """With some weights, translations differ, and some of them end."""
    inputs, ends, different = sentences(24), 0, 0
    for seed in range(3):
        translator.init(seed)
        found = translator.translate(inputs)
        different += len({tuple(row) for row in found.tolist()}) - 1
        ends += (found == END).any(axis=1).sum()
        for sentence, tokens in zip(inputs[:3], found.tolist(), strict=False):
            assert tokens == plain_search(translator, sentence)
    assert different > 3
    assert ends > 3


def test_translations_are_those_of_a_search_without_a_cache(translator):
    check_against_plain_search(translator)


@pytest.mark.full
@pytest.mark.parametrize("framework", ["jax", "pytorch"])
@pytest.mark.parametrize(
    "settings", [{"pre_ln": False}, {"attention_temp": 4.0}, {"activation": "tanh", "glu": True}], ids=str
)
def test_translations_of_variants_too(framework, settings):
    check_against_plain_search(Translator(framework, **settings))


def test_translations_do_not_depend_on_the_batch(translator):
    """A sentence's translation is final when no unfinished beam can overtake: it waits for others without changing.

    So sentences may be evaluated in any order, and those that end soon need not wait for the others.
    """
    inputs, lengths = sentences(24, seed=1), set()
    for seed in range(3):
        translator.init(seed)
        together = translator.translate(inputs)
        order = np.argsort((inputs > 0).sum(axis=1), kind="stable")
        apart = [translator.translate(np.resize(inputs[part], inputs.shape))[:8] for part in np.split(order, 3)]
        np.testing.assert_array_equal(np.concatenate(apart), together[order])
        lengths |= {row.index(END) if END in row else LENGTH for row in together.tolist()}
    assert len(lengths) > 2, "some end sooner than others"


def test_padding_of_the_source_does_not_matter(translator):
    translator.init(0)
    inputs = sentences(24, seed=2)
    wider = np.pad(inputs, ((0, 0), (0, 10)))
    np.testing.assert_array_equal(translator.translate(wider), translator.translate(inputs))
