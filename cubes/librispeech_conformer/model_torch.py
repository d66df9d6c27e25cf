"""A Conformer (Gulati et al., 2020) for speech recognition. Modules have their published names."""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from algoperf.data.audio.log_mel import NUM_BINS
from algoperf.data.contracts import Batch
from algoperf.frameworks.torch.batch_norm import MaskedBatchNorm
from algoperf.frameworks.torch.layers import ACTIVATIONS, Activation
from algoperf.frameworks.torch.models.speech.features import LogMel, spec_augment, uniform_of
from algoperf.frameworks.torch.models.speech.layers import Conv2dSubsampling, LayerNorm, subsample, xavier_
from algoperf.workload.definition import WorkloadDefinition

from .position import KERNEL_SIZE, QUERY_SCALE, inverse_timescales


class _Positions(nn.Module):
    """Sines and cosines of the frames' positions. Their frequencies are a buffer, as published."""

    inv_timescales: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("inv_timescales", torch.tensor(inverse_timescales(width)).reshape(1, 1, -1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        phases = torch.arange(x.shape[1], dtype=x.dtype, device=x.device)[:, None] * self.inv_timescales[0]
        return x + torch.cat((phases.sin(), phases.cos()), dim=-1)


class _Subsample(nn.Module):
    def __init__(self, num_bins: int, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Conv2dSubsampling(1, width), Conv2dSubsampling(width, width)
        for layer in (self.conv1, self.conv2):
            layer.register_buffer("paddings_kernel", torch.ones(1, 1, 1))  # never used; the published model has it
        self.linear = nn.Linear(num_bins // 4 * width, width)
        self.pos_encode = _Positions(width)

    def forward(
        self, x: torch.Tensor, paddings: torch.Tensor, dropout_rate: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x, paddings = subsample(x, paddings, self.conv1, self.conv2)
        return F.dropout(self.pos_encode(self.linear(x)), dropout_rate, self.training), paddings


class _FeedForward(nn.Module):
    def __init__(self, width: int, expansion_factor: int, activation: Activation) -> None:
        super().__init__()
        self.activation = activation
        self.ln = LayerNorm(width)
        self.linear1 = nn.Linear(width, width * expansion_factor)
        self.linear2 = nn.Linear(width * expansion_factor, width)

    def forward(self, x: torch.Tensor, real: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """As published, PyTorch has no dropout after the activation."""
        x = self.linear2(self.activation(self.linear1(self.ln(x))) * real) * real
        return F.dropout(x, dropout_rate, self.training)


class _QueryScaler(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(width))

    def forward(self, query: torch.Tensor) -> torch.Tensor:
        """Scale the dimensions of queries (B, heads, T, D), alike in all heads."""
        return query * (QUERY_SCALE * F.softplus(self.scale))


class _SelfAttention(nn.Module):
    def __init__(self, width: int, num_heads: int, temperature: float) -> None:
        super().__init__()
        self.num_heads, self.temperature = num_heads, temperature
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)
        self.qs = _QueryScaler(width // num_heads)

    def forward(self, x: torch.Tensor, paddings: torch.Tensor) -> torch.Tensor:
        """Attend to the frames of (B, T, width) that are not padding.

        As published, the "temperature" multiplies what attention returns.
        """
        query, key, value = self.in_proj(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        # A finite number: a row of padding alone must not become NaN.
        mask = (paddings * torch.finfo(x.dtype).min)[:, None, None, :]
        x = F.scaled_dot_product_attention(self.qs(query), key, value, attn_mask=mask)
        return self.out_proj(x.transpose(1, 2).flatten(2) * self.temperature)


class _Attention(nn.Module):
    def __init__(self, width: int, num_heads: int, temperature: float) -> None:
        super().__init__()
        self.ln = LayerNorm(width)
        self.self_attention = _SelfAttention(width, num_heads, temperature)

    def forward(self, x: torch.Tensor, paddings: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        return F.dropout(self.self_attention(self.ln(x), paddings), dropout_rate, self.training)


class _Convolution(nn.Module):
    def __init__(self, width: int, activation: Activation, batch_norm_momentum: float) -> None:
        super().__init__()
        self.activation = activation
        self.ln = LayerNorm(width)
        self.lin1, self.lin2 = nn.Linear(width, width), nn.Linear(width, width)
        self.conv1 = nn.Conv1d(width, width, KERNEL_SIZE, padding="same", groups=width, bias=False)
        self.bn = MaskedBatchNorm(width, 1 - batch_norm_momentum)
        self.bn.register_buffer("dim", torch.full((1,), float(width)))  # never used; the published model has it
        self.lin3 = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, paddings: torch.Tensor, real: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """A gate, a convolution over time that keeps channels apart, batch normalisation, and a linear layer."""
        x = self.ln(x)
        x = self.lin1(x) * self.lin2(x).sigmoid() * real
        x = self.conv1(x.transpose(1, 2)).transpose(1, 2)
        return F.dropout(self.lin3(self.activation(self.bn(x, paddings))), dropout_rate, self.training)


class _Block(nn.Module):
    def __init__(
        self,
        width: int,
        num_heads: int,
        expansion_factor: int,
        temperature: float,
        use_gelu: bool,
        use_post_layer_norm: bool,
        batch_norm_momentum: float,
    ) -> None:
        super().__init__()
        # As published: the tanh form of GELU in one kind of module, the exact one in the other.
        activations = (ACTIVATIONS["gelu"], F.gelu) if use_gelu else (F.silu, F.silu)
        self.ff1 = _FeedForward(width, expansion_factor, activations[0])
        self.mhsa = _Attention(width, num_heads, temperature)
        self.conv = _Convolution(width, activations[1], batch_norm_momentum)
        self.ff2 = _FeedForward(width, expansion_factor, activations[0])
        self.ln = LayerNorm(width) if use_post_layer_norm else None

    def forward(self, x: torch.Tensor, paddings: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """Half a feed-forward module, attention, convolution, the other half; each with a residual connection."""
        real = 1 - paddings[..., None]
        x = x + 0.5 * self.ff1(x, real, dropout_rate)
        x = x + self.mhsa(x, paddings, dropout_rate)
        x = x + self.conv(x, paddings, real, dropout_rate)
        x = x + 0.5 * self.ff2(x, real, dropout_rate)
        return x if self.ln is None else self.ln(x)


class _Conformer(nn.Module):
    def __init__(
        self,
        *,
        vocab_size: int,
        encoder_dim: int,
        num_attention_heads: int,
        num_encoder_layers: int,
        feed_forward_expansion_factor: int,
        attention_temperature: float,
        use_gelu: bool,
        use_post_layer_norm: bool,
        batch_norm_momentum: float,
        use_specaug: bool,
        time_mask_count: int,
        freq_mask_count: int,
    ) -> None:
        super().__init__()
        self.preprocessor = LogMel()
        counts = {"time_mask_count": time_mask_count, "freq_mask_count": freq_mask_count}
        self.spec_augment = partial(spec_augment, **counts) if use_specaug else None
        self.subsample = _Subsample(NUM_BINS, encoder_dim)
        self.conformers = nn.ModuleList(
            _Block(
                encoder_dim,
                num_attention_heads,
                feed_forward_expansion_factor,
                attention_temperature,
                use_gelu,
                use_post_layer_norm,
                batch_norm_momentum,
            )
            for _ in range(num_encoder_layers)
        )
        self.ln = LayerNorm(encoder_dim)
        self.lin = nn.Linear(encoder_dim, vocab_size)
        self.apply(xavier_)

    def forward(
        self,
        audio: torch.Tensor,
        audio_paddings: torch.Tensor,
        dropout_rate: float,
        rng: Sequence[int] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Samples (B, N) and their paddings to logits (B, T, vocab_size) and their paddings."""
        x, paddings = self.preprocessor(audio, audio_paddings)
        if self.training and self.spec_augment is not None:
            x = self.spec_augment(x, paddings, uniform_of(rng, x.device))
        x, paddings = self.subsample(x, paddings, dropout_rate)
        for block in self.conformers:
            x = block(x, paddings, dropout_rate)
        return self.lin(self.ln(x)), paddings


def model_inputs(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples and their paddings."""
    return batch["inputs"]


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return _Conformer(vocab_size=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The output layer's parameters."""
    del definition
    return frozenset({"lin.weight", "lin.bias"})
