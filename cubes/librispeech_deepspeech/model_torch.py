"""Deep Speech, with six bidirectional LSTMs (after Amodei et al., 2016). Modules have their published names."""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from algoperf.data.audio.log_mel import NUM_BINS
from algoperf.data.contracts import Batch
from algoperf.frameworks.torch.batch_norm import MaskedBatchNorm
from algoperf.frameworks.torch.layers import Activation
from algoperf.frameworks.torch.models.speech.features import LogMel, spec_augment, uniform_of
from algoperf.frameworks.torch.models.speech.layers import Conv2dSubsampling, LayerNorm, subsample, xavier_
from algoperf.workload.definition import WorkloadDefinition

COMPILE = frozenset({"loss"})


class _Subsample(nn.Module):
    def __init__(self, num_bins: int, width: int, activation: Activation) -> None:
        super().__init__()
        self.conv1, self.conv2 = Conv2dSubsampling(1, width, activation), Conv2dSubsampling(width, width, activation)
        self.lin = nn.Linear(num_bins // 4 * width, width)

    def forward(
        self, x: torch.Tensor, paddings: torch.Tensor, dropout_rate: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x, paddings = subsample(x, paddings, self.conv1, self.conv2)
        return F.dropout(self.lin(x), dropout_rate, self.training), paddings


class _Normalised(nn.Module):
    """What both kinds of layers begin with: a normalisation, under the published name of its kind."""

    def __init__(self, width: int, use_layer_norm: bool, batch_norm_momentum: float) -> None:
        super().__init__()
        if use_layer_norm:
            self.normalization_layer = LayerNorm(width)
        else:
            self.bn_normalization_layer = MaskedBatchNorm(
                width, 1 - batch_norm_momentum, scale="weight", synchronised=True
            )
        self.use_layer_norm = use_layer_norm

    def normalise(self, x: torch.Tensor, paddings: torch.Tensor) -> torch.Tensor:
        return self.normalization_layer(x) if self.use_layer_norm else self.bn_normalization_layer(x, paddings)


class _BatchRNN(_Normalised):
    """Normalisation and a bidirectional LSTM, each direction with half of the width."""

    def __init__(self, width: int, use_layer_norm: bool, batch_norm_momentum: float) -> None:
        super().__init__(width, use_layer_norm, batch_norm_momentum)
        self.lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor, paddings: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Outputs (B, T, width) of both directions; zeros at padding."""
        rows = pack_padded_sequence(self.normalise(x, paddings), lengths, batch_first=True, enforce_sorted=False)
        outputs, _ = pad_packed_sequence(self.lstm(rows)[0], batch_first=True, total_length=x.shape[1])
        return outputs


class _FeedForward(_Normalised):
    """Normalisation, a linear layer, its activation; padding becomes zero."""

    def __init__(self, width: int, use_layer_norm: bool, batch_norm_momentum: float, activation: Activation) -> None:
        super().__init__(width, use_layer_norm, batch_norm_momentum)
        self.activation = activation
        self.lin = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, paddings: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        x = self.activation(self.lin(self.normalise(x, paddings))) * (1 - paddings[..., None])
        return F.dropout(x, dropout_rate, self.training)


class _DeepSpeech(nn.Module):
    def __init__(
        self,
        *,
        vocab_size: int,
        encoder_dim: int,
        num_lstm_layers: int,
        num_ffn_layers: int,
        use_tanh: bool,
        enable_residual_connections: bool,
        enable_decoder_layer_norm: bool,
        layernorm_everywhere: bool,
        batch_norm_momentum: float,
        use_specaug: bool,
        time_mask_count: int,
        freq_mask_count: int,
    ) -> None:
        super().__init__()
        self.enable_residual_connections = enable_residual_connections
        activation = torch.tanh if use_tanh else F.relu
        self.preprocessor = LogMel()
        counts = {"time_mask_count": time_mask_count, "freq_mask_count": freq_mask_count}
        self.spec_augment = partial(spec_augment, **counts) if use_specaug else None
        self.subsample = _Subsample(NUM_BINS, encoder_dim, activation)
        norm = layernorm_everywhere, batch_norm_momentum
        self.lstms = nn.ModuleList(_BatchRNN(encoder_dim, *norm) for _ in range(num_lstm_layers))
        self.ffns = nn.ModuleList(_FeedForward(encoder_dim, *norm, activation) for _ in range(num_ffn_layers))
        self.ln = LayerNorm(encoder_dim) if enable_decoder_layer_norm else None
        self.lin = nn.Linear(encoder_dim, vocab_size)
        self.apply(xavier_)  # LSTMs keep torch's initialisation, as published

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
        # Packing needs lengths on the host, of at least 1. All layers have the same: the device is waited for once.
        lengths = (paddings == 0).sum(dim=1).clamp(min=1).cpu()
        for layer in self.lstms:
            y = layer(x, paddings, lengths)
            x = x + y if self.enable_residual_connections else y
        for layer in self.ffns:
            y = layer(x, paddings, dropout_rate)
            x = x + y if self.enable_residual_connections else y
        return self.lin(x if self.ln is None else self.ln(x)), paddings


def model_inputs(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples and their paddings."""
    return batch["inputs"]


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return _DeepSpeech(vocab_size=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The output layer's parameters."""
    del definition
    return frozenset({"lin.weight", "lin.bias"})
