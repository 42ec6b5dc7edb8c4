"""(S11): images shifted at random. The twin of augment_torch.py."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from rlpair.types import Transition


def random_offsets(key: jax.Array, shape: tuple[int, ...], pixels: int) -> jax.Array:
    """Draw how far each image is shifted, down and to the right: (*shape, 2) int32 from 0 to 2 ``pixels``."""
    return jax.random.randint(key, (*shape, 2), 0, 2 * pixels + 1, jnp.int32)


def shifted(images: jax.Array, offsets: jax.Array, pixels: int) -> jax.Array:
    """Shift by (S11): images (B, H, W, ...), offsets (B, 2) -> as the images."""
    rows, columns = (positions(offsets[:, axis], pixels, images.shape[1 + axis]) for axis in (0, 1))
    which = jnp.arange(len(images))
    return images[which[:, None, None], rows[:, :, None], columns[:, None, :]]


def shift_images(batch: Transition, offsets: Sequence[jax.Array], pixels: int) -> Transition:
    """Shift a batch by (S11); ``offsets``: of next_obs and of obs, (B, 2) each; none leave it as it is."""
    if not offsets:
        return batch
    next_obs, obs = (shifted(x, by, pixels) for x, by in zip((batch.next_obs, batch.obs), offsets, strict=True))
    return batch._replace(obs=obs, next_obs=next_obs)


def positions(offset: jax.Array, pixels: int, side: int) -> jax.Array:
    """Return which of the rows, or columns, 0 to ``side`` - 1, each is taken from: (B,) -> (B, side)."""
    return jnp.clip(jnp.arange(side)[None] + offset[:, None] - pixels, 0, side - 1)
