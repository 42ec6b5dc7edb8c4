"""A run in the host loop, on Gymnasium's environments."""

import sys
from contextlib import ExitStack
from pathlib import Path

from rlpair.algos.registry import find
from rlpair.config import RunConfig
from rlpair.disk.checkpoint import save_checkpoint
from rlpair.envs.make import make_envs
from rlpair.loops.host import HostLoop, evaluate, saying_where
from rlpair.loops.training import check_fit
from rlpair.make import make_agent
from rlpair.memory import check_run, host_bytes
from rlpair.replay.buffer import make_replay
from rlpair.runs.images import tell_of_images
from rlpair.runs.loading import check_spec, refusing
from rlpair.runs.saved_run import SavedRun
from rlpair.seeding import integer
from rlpair.types import Evaluation

EVAL_ENVS = 10  # that play the episodes of an evaluation together


class HostRun:
    """A run in the host loop: what it is made of, its evaluation, its checkpoints."""

    def __init__(self, config: RunConfig, settings: str, stack: ExitStack) -> None:
        """Make agent, replay and loop; the stack closes the environments. ``settings``: of the process."""
        self.config, self.settings = config, settings
        eval_count = min(config.eval_episodes, EVAL_ENVS)
        self.eval_envs = make_envs(config.env, eval_count, "sync", config.env_kwargs)
        stack.callback(self.eval_envs.close)
        spec = self.eval_envs.spec
        check_run(config, spec, find(config.algo.name).networks(config.algo, spec), host_bytes())
        self.agent = make_agent(
            config.algo.name,
            backend=config.backend,
            env=self.eval_envs,
            config=config.algo,
            seed=config.seed,
            device=config.device,
            matmul_precision=config.matmul_precision,
            compile=config.compile,
        )
        if self.agent.rng_name == "rng.torch.cuda" and not config.compile:
            note = "torch spends an update on a GPU on launching kernels: compile=true makes it about ten times as fast"
            print(f"rlpair: {note}", file=sys.stderr)
        envs = make_envs(config.env, config.num_envs, config.vectorization, config.env_kwargs, training=True)
        stack.callback(envs.close)
        check_fit(self.agent, envs)
        self.replay = make_replay(config.algo, envs.num_envs, envs.spec)
        self.loop = HostLoop(self.agent, envs, self.replay, config, eval_envs=self.eval_envs)
        tell_of_images(config, spec, envs.images)

    def evaluate(self) -> Evaluation:
        """Play the greedy episodes of the end."""
        seed = integer(self.config.seed, "evaluation", self.config.total_timesteps)
        with saying_where(f"env step {self.loop.env_steps}"):
            return evaluate(self.agent, self.eval_envs, self.config.eval_episodes, seed)

    def save(self, path: Path) -> None:
        """Write all that the run can be resumed from."""
        loop, agent = self.loop, self.agent
        save_checkpoint(path, agent.state_dict(), agent.description(), loop.state_dict(), self.replay.state_dict())

    def save_best(self, path: Path) -> None:
        """Write the agent, whose evaluation was the best so far."""
        save_checkpoint(path, self.agent.state_dict(), self.agent.description())

    def load(self, earlier: SavedRun) -> None:
        """Go on from what ``save`` wrote; what does not carry over is said on stderr."""
        config, loop, saved = self.config, self.loop, earlier.checkpoint()
        check_spec(saved.folder, saved.spec, self.agent.spec)
        run = saved.run("host")
        state, replay = saved.state(self.agent.check_fit), saved.replay(self.replay.check_fit)
        with refusing(saved.folder):
            self.agent.load_state_dict(state)
            self.replay.load_state_dict(replay)
            restored = loop.load_state_dict(run)
        if (own := self.agent.rng_name) not in state:  # of another backend, or another kind of device
            self.agent.reseed(integer(config.seed, "noise", loop.env_steps))
            its = next((name for name in state if name.startswith("rng.")), "the checkpoint")
            note = f"{its}'s random numbers do not carry over to {own}: exploration is reseeded".replace("rng.", "")
            print(f"rlpair: {note} from seed={config.seed} and env step {loop.env_steps}", file=sys.stderr)
        for row in (~restored).nonzero()[0]:
            note = "could not be brought back to where it stood: it starts an episode"
            print(f"rlpair: environment {row} {note}", file=sys.stderr)
