"""(S11): images shifted at random. The twin of augment_jax.py."""

from collections.abc import Sequence

import torch

from rlpair.types import Transition


def random_offsets(generator: torch.Generator, shape: tuple[int, ...], pixels: int) -> torch.Tensor:
    """Draw how far each image is shifted, down and to the right: (*shape, 2) int32 from 0 to 2 ``pixels``."""
    size, device = (*shape, 2), generator.device
    return torch.randint(2 * pixels + 1, size, generator=generator, dtype=torch.int32, device=device)


def shifted(images: torch.Tensor, offsets: torch.Tensor, pixels: int) -> torch.Tensor:
    """Shift by (S11): images (B, H, W, ...), offsets (B, 2) -> as the images."""
    rows, columns = (positions(offsets[:, axis], pixels, images.shape[1 + axis]) for axis in (0, 1))
    which = torch.arange(len(images), device=images.device)
    return images[which[:, None, None], rows[:, :, None], columns[:, None, :]]


def shift_images(batch: Transition, offsets: Sequence[torch.Tensor], pixels: int) -> Transition:
    """Shift a batch by (S11); ``offsets``: of next_obs and of obs, (B, 2) each; none leave it as it is."""
    if not offsets:
        return batch
    next_obs, obs = (shifted(x, by, pixels) for x, by in zip((batch.next_obs, batch.obs), offsets, strict=True))
    return batch._replace(obs=obs, next_obs=next_obs)


def positions(offset: torch.Tensor, pixels: int, side: int) -> torch.Tensor:
    """Return which of the rows, or columns, 0 to ``side`` - 1, each is taken from: (B,) -> (B, side)."""
    return (torch.arange(side, device=offset.device)[None] + offset[:, None] - pixels).clamp(0, side - 1)
