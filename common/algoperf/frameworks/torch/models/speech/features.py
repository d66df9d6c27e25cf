"""Log-mel features, and SpecAugment (Park et al., 2019)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from algoperf.data.audio import log_mel
from algoperf.data.audio.log_mel import FRAME_STEP, NUM_BINS
from algoperf.data.audio.spec_augment import LONGEST_FREQUENCY_MASK, LONGEST_TIME_MASK
from algoperf.data.batches.seeding import keyed_generator
from algoperf.frameworks.torch.processes import pytorch_setup

Uniform = Callable[[int, int], torch.Tensor]
"""Makes uniform numbers (2, B, masks), given B and masks."""


@functools.cache  # not a buffer: the published models have none
def _mel_filters(dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    return torch.as_tensor(log_mel.mel_filters(), dtype=dtype, device=device)


class _Window(nn.Module):
    """Holds the window as a buffer, under its published name."""

    window: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.tensor(log_mel.window()).reshape(1, 1, -1, 1))


class LogMel(nn.Module):
    """Log-mel features of 16-bit samples. Its constants are buffers, under their published names."""

    _normalizer_mean: torch.Tensor
    _normalizer_stddev: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, values in (("_normalizer_mean", log_mel.MEAN), ("_normalizer_stddev", log_mel.STDDEV)):
            self.register_buffer(name, torch.tensor(values).reshape(1, 1, -1, 1))
        self.stft = _Window()

    def forward(self, audio: torch.Tensor, paddings: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Samples (B, N) as float32, and their paddings, to log-mel features (B, T, 80) and paddings (B, T).

        Features are normalised. Frames of padding hold silence, not zeros.
        """
        num_frames = log_mel.num_frames(audio.shape[1])
        audio = audio * (1 - paddings) * log_mel.SCALE
        emphasised = audio[:, 1:] - log_mel.PRE_EMPHASIS * audio[:, :-1]
        # A frame's first sample has none before it: the filter takes the sample itself.
        first = (1 - log_mel.PRE_EMPHASIS) * audio[:, : num_frames * FRAME_STEP : FRAME_STEP, None]
        rest = emphasised.unfold(1, log_mel.FRAME_LENGTH - 1, FRAME_STEP)[:, :num_frames]
        frames = torch.cat((first, rest), dim=-1) * self.stft.window.flatten()
        power = torch.view_as_real(torch.fft.rfft(frames, log_mel.FFT_LENGTH)).square().sum(dim=-1)
        energy = (power @ _mel_filters(power.dtype, power.device)).clamp(min=log_mel.FLOOR)
        x = (energy.log() - self._normalizer_mean.flatten()) / self._normalizer_stddev.flatten()
        # Padding is at the end, so a frame is padding if its first sample is.
        return x, paddings[:, : num_frames * FRAME_STEP : FRAME_STEP]


def uniform_of(rng: Sequence[int] | np.ndarray | None, device: torch.device) -> Uniform:
    """Uniform numbers that a key determines, other ones in each process; without a key, torch's generator draws."""
    if rng is None:
        return lambda num_rows, num_masks: torch.rand((2, num_rows, num_masks), device=device)
    _, rank, _, _ = pytorch_setup()
    generator = keyed_generator("specaug", rank, *np.asarray(rng).ravel().tolist())

    def draw(num_rows: int, num_masks: int) -> torch.Tensor:
        numbers = torch.from_numpy(generator.random((2, num_rows, num_masks), np.float32))
        return numbers.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else numbers

    return draw


def spec_augment(
    x: torch.Tensor, paddings: torch.Tensor, uniform: Uniform, *, time_mask_count: int, freq_mask_count: int
) -> torch.Tensor:
    """Set some stretches of frames, and some of bins, to zero in features (B, T, 80)."""
    num_real = (1 - paddings).sum(dim=1, keepdim=True)
    frames = masked(uniform(len(x), time_mask_count), num_real, LONGEST_TIME_MASK * num_real, x.shape[1])
    bins = masked(uniform(len(x), freq_mask_count), NUM_BINS, LONGEST_FREQUENCY_MASK, NUM_BINS)
    return x.masked_fill(frames[:, :, None] | bins[:, None, :], 0.0)


def masked(
    uniform: torch.Tensor, length: torch.Tensor | int, longest: torch.Tensor | float, num_places: int
) -> torch.Tensor:
    """Which of `num_places` places masks cover: bool (B, num_places), from uniform numbers (2, B, masks).

    Masks lie in the first `length` places and are shorter than `longest`; both may be (B, 1).
    """
    sizes = (longest * uniform[0]).trunc()
    starts = (uniform[1] * (length - sizes + 1)).trunc()
    places = torch.arange(num_places, device=uniform.device)
    return ((places >= starts[..., None]) & (places < (starts + sizes)[..., None])).any(dim=1)
