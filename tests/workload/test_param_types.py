"""The published name rules, one row per rule and per order of two rules."""

import pytest

from algoperf.spec import ParameterType
from algoperf.workload.param_types import jax_param_types, torch_param_type

TORCH = [
    # 1: batch normalisation comes first
    ("bn1.weight", "BATCH_NORM_SCALE"),
    ("bn1.bias", "BATCH_NORM_BIAS"),
    ("conformers.0.conv.bn.scale", "BATCH_NORM_SCALE"),
    ("bn_normalization_layer.weight", "BATCH_NORM_SCALE"),
    # 2: then layer normalisation
    ("encoder.norm1.weight", "LAYER_NORM_SCALE"),
    ("ln.scale", "LAYER_NORM_SCALE"),
    ("encoder.self_attn.norm.bias", "LAYER_NORM_BIAS"),
    ("vulnerable.weight", "LAYER_NORM_SCALE"),  # a substring is enough: v-u-ln
    # 3: then convolution; anything that is not a bias
    ("layer1.0.conv1.weight", "CONV_WEIGHT"),
    ("conv.anything", "CONV_WEIGHT"),
    ("conv_embedding.weight", "CONV_WEIGHT"),
    ("conv_attention.bias", "BIAS"),
    # 4: then embeddings, of which only weights
    ("shared_embedding.weight", "EMBEDDING"),
    ("embed_attention.weight", "EMBEDDING"),
    ("embedding.bias", "BIAS"),
    ("embedding_chunk_0", "WEIGHT"),
    # 5: then attention
    ("self_attn.in_proj_bias", "ATTENTION_BIAS"),
    ("self_attn.in_proj_weight", "ATTENTION_QKV"),
    ("layers.0.attn.w_qkv.weight", "ATTENTION_QKV"),
    ("attn.kv_proj.weight", "ATTENTION_KV"),
    ("attn.k_proj.weight", "ATTENTION_K"),
    ("attention.key.weight", "ATTENTION_K"),
    ("attn.q_proj.weight", "ATTENTION_Q"),
    ("attention.query.weight", "ATTENTION_Q"),
    ("attn.v_proj.weight", "ATTENTION_V"),
    ("attention.value.weight", "ATTENTION_V"),
    ("self_attn.out_proj.weight", "ATTENTION_OUT"),
    ("attention.qs.scale", "WEIGHT"),
    ("keys.attention.value.weight", "ATTENTION_K"),  # keys before values
    ("attention.key.in_proj.weight", "ATTENTION_QKV"),  # the joint projection before all
    # 6 and 7
    ("net.layer2.bias", "BIAS"),
    ("net.layer2.weight", "WEIGHT"),
    ("BN1.weight", "WEIGHT"),  # upper case is no match
]


@pytest.mark.parametrize(("name", "kind"), TORCH)
def test_torch(name, kind):
    assert torch_param_type(name) is ParameterType[kind]


@pytest.mark.parametrize(
    "name", ["bn1.gamma", "norm.gamma", "ln", "attention.gamma", "attn.weight", "attn.out_proj.gamma"]
)
def test_torch_names_that_fit_no_rule(name):
    with pytest.raises(ValueError, match=name):
        torch_param_type(name)


JAX = [
    # 1: batch normalisation comes first
    ("BatchNorm_0/scale", "BATCH_NORM_SCALE"),
    ("BatchNorm_0/bias", "BATCH_NORM_BIAS"),
    ("Conv_0/bn/scale", "BATCH_NORM_SCALE"),
    # 2: then layer normalisation
    ("LayerNorm_0/scale", "LAYER_NORM_SCALE"),
    ("encoder_layernorm/bias", "LAYER_NORM_BIAS"),
    ("attention/ln/bias", "LAYER_NORM_BIAS"),
    # 3: then convolution
    ("Conv_0/kernel", "CONV_WEIGHT"),
    ("ConvolutionBlock_0/Dense_0/kernel", "CONV_WEIGHT"),
    ("Conv_0/embedding", "CONV_WEIGHT"),
    ("Conv_0/bias", "BIAS"),
    # 4: then embeddings
    ("shared_embedding/embedding", "EMBEDDING"),
    ("embedding_table", "EMBEDDING"),
    ("Embedding_0/kernel", "EMBEDDING"),
    ("Embedding_0/Attention_0/kernel", "EMBEDDING"),
    ("Embedding_0/bias", "BIAS"),
    # 5: then attention
    ("Attention_0/key/kernel", "ATTENTION_K"),
    ("Attention_0/query/kernel", "ATTENTION_Q"),
    ("Attention_0/value/kernel", "ATTENTION_V"),
    ("Attention_0/out/kernel", "ATTENTION_OUT"),
    ("Attention_0/key/bias", "ATTENTION_BIAS"),
    ("MultiHeadDotProductAttention_0/QueryScaler_0/scale", "WEIGHT"),
    ("SelfAttention/in_proj_weight", "ATTENTION_QKV"),
    ("Attention_0/query/value/kernel", "ATTENTION_Q"),  # queries before values
    # 6 and 7
    ("Dense_0/bias", "BIAS"),
    ("Dense_0/kernel", "WEIGHT"),
    ("scale", "WEIGHT"),  # rules 1 to 3 look at the path above the parameter
    ("BatchNorm", "WEIGHT"),
]


def nested(path: str, leaf):
    """`{"a": {"b": leaf}}` for the path `a/b`."""
    for part in reversed(path.split("/")):
        leaf = {part: leaf}
    return leaf


@pytest.mark.parametrize(("path", "kind"), JAX)
def test_jax(path, kind):
    assert jax_param_types(nested(path, 0)) == nested(path, ParameterType[kind])


@pytest.mark.parametrize(
    "path",
    ["BatchNorm_0/kernel", "LayerNorm_0/gamma", "Attention_0/kernel", "Attention_0/query/gamma", "ln/scale_1"],
)
def test_jax_names_that_fit_no_rule(path):
    with pytest.raises(ValueError, match=path.lower()):
        jax_param_types(nested(path, 0))


def test_jax_keys_stay_as_they_are():
    """The reference lower-cases them, so that its type tree cannot be mapped over the parameters."""
    types = jax_param_types({"Dense_0": {"Kernel": 0}, "Block": {"BN": {"scale": 0}}})
    assert types == {
        "Dense_0": {"Kernel": ParameterType.WEIGHT},
        "Block": {"BN": {"scale": ParameterType.BATCH_NORM_SCALE}},
    }


def test_submitted_models_call_their_parameters_as_they_like():
    assert torch_param_type("attention.gamma", is_submitted=True) is ParameterType.WEIGHT
    assert torch_param_type("attn.k_proj.weight", is_submitted=True) is ParameterType.ATTENTION_K
    found = jax_param_types({"Attention_0": {"gamma": 0}, "ln": {"bias_2": 0}}, is_submitted=True)
    assert found == {"Attention_0": {"gamma": ParameterType.WEIGHT}, "ln": {"bias_2": ParameterType.BIAS}}
