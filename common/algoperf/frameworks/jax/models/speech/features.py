"""Log-mel features, and SpecAugment (Park et al., 2019)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from algoperf.data.audio import log_mel
from algoperf.data.audio.log_mel import FRAME_STEP, NUM_BINS
from algoperf.data.audio.spec_augment import LONGEST_FREQUENCY_MASK, LONGEST_TIME_MASK


def features(audio: jax.Array, paddings: jax.Array) -> tuple[jax.Array, jax.Array]:
    """16-bit samples (B, N) as float32, and their paddings, to log-mel features (B, T, 80) and paddings (B, T).

    Features are normalised. Frames of padding hold silence, not zeros.
    """
    num_frames = log_mel.num_frames(audio.shape[1])
    frames = _frames(audio * (1.0 - paddings) * log_mel.SCALE, num_frames)
    before = jnp.concatenate([frames[..., :1], frames[..., :-1]], axis=-1)
    emphasised = frames - log_mel.PRE_EMPHASIS * before
    spectrum = jnp.fft.rfft(emphasised * log_mel.window(), log_mel.FFT_LENGTH)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    energy = jnp.maximum(power @ log_mel.mel_filters(), log_mel.FLOOR)
    # Padding is at the end, so a frame is padding if its first sample is.
    return (jnp.log(energy) - log_mel.MEAN) / log_mel.STDDEV, paddings[:, : num_frames * FRAME_STEP : FRAME_STEP]


def _frames(audio: jax.Array, num_frames: int) -> jax.Array:
    """Overlapping pieces of 400 samples, one every 160: made of blocks of 160, because a gather is slower."""
    missing = max(0, (num_frames + 2) * FRAME_STEP - audio.shape[1])
    blocks = jnp.pad(audio, ((0, 0), (0, missing)))[:, : (num_frames + 2) * FRAME_STEP]
    blocks = blocks.reshape(len(audio), num_frames + 2, FRAME_STEP)
    rest = log_mel.FRAME_LENGTH - 2 * FRAME_STEP
    return jnp.concatenate([blocks[:, :-2], blocks[:, 1:-1], blocks[:, 2:, :rest]], axis=-1)


def spec_augment(
    x: jax.Array, paddings: jax.Array, key: jax.Array, *, time_mask_count: int, freq_mask_count: int
) -> jax.Array:
    """Set some stretches of frames, and some of bins, to zero in features (B, T, 80). The key determines which."""
    of_time, of_frequency = jax.random.split(key)
    num_real = (1.0 - paddings).sum(axis=1, keepdims=True)
    uniform = jax.random.uniform(of_time, (2, len(x), time_mask_count))
    frames = masked(uniform, num_real, LONGEST_TIME_MASK * num_real, x.shape[1])
    uniform = jax.random.uniform(of_frequency, (2, len(x), freq_mask_count))
    bins = masked(uniform, NUM_BINS, LONGEST_FREQUENCY_MASK, NUM_BINS)
    return jnp.where(frames[:, :, None] | bins[:, None, :], 0.0, x)


def masked(uniform: jax.Array, length: jax.Array | int, longest: jax.Array | float, num_places: int) -> jax.Array:
    """Which of `num_places` places masks cover: bool (B, num_places), from uniform numbers (2, B, masks).

    Masks lie in the first `length` places and are shorter than `longest`; both may be (B, 1).
    """
    sizes = jnp.trunc(longest * uniform[0])
    starts = jnp.trunc(uniform[1] * (length - sizes + 1))
    places = jnp.arange(num_places)
    return ((places >= starts[..., None]) & (places < (starts + sizes)[..., None])).any(axis=1)
