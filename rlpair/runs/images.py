"""What a run says of image observations: which way they go, and what their replay takes."""

import sys
from collections.abc import Sequence

from rlpair.config import RunConfig
from rlpair.nets.encoders import is_image, way_of
from rlpair.replay.buffer import replay_bytes
from rlpair.types import EnvSpec


def tell_of_images(config: RunConfig, spec: EnvSpec, inside: Sequence[tuple[int, ...]] = ()) -> None:
    """Print one line on stderr, if there are any. ``inside``: the shapes of those within an observation."""
    if images := inside or [spec.obs_shape] * is_image(spec):
        shapes, way = " and ".join(map(str, images)), way_of(config.algo.encoder, spec)
        size = config.num_seeds * replay_bytes(config.algo.buffer_size, config.num_envs, spec)
        note = f"image observations {shapes} go {way}; their replay takes {size:,} bytes once it is full"
        print(f"rlpair: {note}", file=sys.stderr)
