"""A run in the fused loop: of one seed a checkpoint is the folder itself, of many there is a folder each in it."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rlpair.agents.base import Identity, describe
from rlpair.config import RunConfig
from rlpair.disk import atomic
from rlpair.disk.checkpoint import save_checkpoint
from rlpair.disk.layout import seed_folder
from rlpair.disk.tensors import check_fit
from rlpair.loops.fused import FusedLoop, SeedState
from rlpair.runs.images import tell_of_images
from rlpair.runs.loading import Checkpoint, check_spec, refusing
from rlpair.runs.saved_run import SavedRun
from rlpair.types import Evaluation, State


class FusedRun:
    """A run in the fused loop, of ``num_seeds`` agents."""

    def __init__(self, config: RunConfig, settings: str, loop: FusedLoop) -> None:
        """Keep the loop, and ``settings``: what the process was set to."""
        self.config, self.settings, self.loop = config, settings, loop
        tell_of_images(config, loop.spec)

    def evaluate(self) -> Evaluation:
        """Play the greedy episodes of the end, of every agent: (S * episodes,)."""
        return self.loop.evaluate()

    def save(self, path: Path) -> None:
        """Write all that the run can be resumed from; where a chunk is running, from its end."""
        states = self.loop.state_dicts()

        def fill(folder: Path) -> None:
            for k, state in enumerate(states):
                self._save_seed(self._folder(folder, k), k, *state)

        if len(states) == 1:
            fill(path)
        else:
            atomic.write_folder(path, fill)

    def save_best(self, path: Path) -> None:
        """Write the agents whose last evaluation was their best."""
        agents = self.loop.agents()
        for k in np.flatnonzero(self.loop.improved).tolist():
            self._save_seed(self._folder(path, k), k, agents[k])

    def load(self, earlier: SavedRun) -> None:
        """Go on from what ``save`` wrote. Raises CheckpointError."""
        folders = [self._folder(earlier.step, k) for k in range(len(self.loop.seeds))]
        self.loop.load_state_dicts([self._read(earlier.checkpoint(folder)) for folder in folders])

    def _folder(self, path: Path, k: int) -> Path:
        """Return the folder of a seed in a checkpoint; of a single seed it is the checkpoint itself."""
        return path if len(self.loop.seeds) == 1 else seed_folder(path, self.loop.seeds[k])

    def _save_seed(self, path: Path, k: int, agent: State, run: Any = None, rest: State | None = None) -> None:
        identity = Identity(self.loop.spec, self.config.algo, self.loop.seeds[k], "float32")
        save_checkpoint(path, agent, describe(identity, self.config.backend), run, rest)

    def _read(self, saved: Checkpoint) -> SeedState:
        """Read and check what a seed goes on from. Raises CheckpointError."""
        loop = self.loop
        check_spec(saved.folder, saved.spec, loop.spec)
        run = saved.run("fused")
        with refusing(saved.folder):
            loop.check_env_steps(run["env_steps"])
        agent_shapes, rest_shapes = loop.shapes
        agent = saved.state(partial(check_fit, own=agent_shapes))
        state = SeedState(agent, run, saved.replay(partial(check_fit, own=rest_shapes)))
        with refusing(saved.folder):
            loop.check_contents(state)
        return state
