"""python -m rlpair.evaluate run_dir=DIR: play a trained agent greedily, say how good it is, and film it."""

import importlib.util
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.wrappers import RecordVideo

from rlpair.advice import install_command
from rlpair.aggregate import bootstrap_interval, mean
from rlpair.algos.registry import find
from rlpair.cli.command import Command
from rlpair.config import MOST_EPISODES, RunConfig, check_choice
from rlpair.disk import files
from rlpair.disk.layout import BEST, SEED, STEP, RunDir
from rlpair.envs import families
from rlpair.envs.host import HostEnvs, Playable
from rlpair.envs.make import as_envs, make_envs, maker
from rlpair.envs.spec import one_line
from rlpair.errors import ConfigError, EnvError, EnvFailedError, MissingExtraError
from rlpair.load import load_agent
from rlpair.loops.host import evaluate
from rlpair.make import configure_process, open_playable
from rlpair.runs.loading import check_spec
from rlpair.runs.run_dir import checkpoint_of, with_traceback
from rlpair.runs.saved_config import Values, load_config
from rlpair.settings.trust import check_environment, check_same
from rlpair.system.interrupts import closing_on_interrupt

RESAMPLES = 10_000  # of the bootstrap
WITHOUT_SCREEN = {
    "MUJOCO_GL": "egl",
    "SDL_VIDEODRIVER": "dummy",
}  # how MuJoCo and pygame render on a machine that has none


@dataclass(frozen=True)
class EvaluateConfig:
    """Settings of ``python -m rlpair.evaluate``."""

    run_dir: str | None = None
    """Folder of a run; its environment is played."""
    checkpoint: str = "last"
    """last, best, or the name of one in run_dir/checkpoints, such as step_20000."""
    episodes: int = 20
    """How many, one after the other."""
    backend: str | None = None
    """torch or jax; null: the one that trained it."""
    video: str | None = None
    """Folder, which must not exist, for a film of each episode; null films nothing."""
    seed: int = 0
    """Of the episodes: the same seed plays the same ones."""
    device: str = "auto"
    """auto (the GPU if there is one), cpu or cuda."""
    algo: str | None = None
    """null: the run's. Give it again where it is module:name, which imports the module, so that it is registered."""
    env: str | None = None
    """null: the run's. Give it again where it is module:id, which imports the module."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """The run's hold; give those again (env_kwargs.KEY=VALUE) that may name a file or a module, or open a window."""

    def __post_init__(self) -> None:
        if self.run_dir is None:
            raise ConfigError("run_dir", self.run_dir, "the folder of a run, run_dir=runs/...")
        if self.episodes < 1:
            raise ConfigError("episodes", self.episodes, "a whole number >= 1")
        if self.episodes > MOST_EPISODES:
            raise ConfigError("episodes", self.episodes, f"at most {MOST_EPISODES:,}")
        if self.seed < 0:
            raise ConfigError("seed", self.seed, "a whole number >= 0")
        if self.backend is not None:
            check_choice("backend", self.backend)
        check_choice("device", self.device)
        if not re.fullmatch(rf"last|({BEST}|{STEP})(/{SEED})?", self.checkpoint):
            allowed = "last, best or step_N; in a run of many seeds with /seed_K behind it"
            raise ConfigError("checkpoint", self.checkpoint, allowed)
        if self.video is not None and os.path.lexists(self.video):
            raise ConfigError("video", self.video, "a folder that does not exist yet")


class Film(RecordVideo):
    """Films every episode that is begun with a seed: those that ``rlpair.evaluate`` counts."""

    def __init__(self, env: gym.Env[Any, Any], folder: str, problems: list[str]) -> None:
        """Film into a folder; ``problems`` is told what could not be written, and episodes are played all the same."""
        self.problems = problems
        super().__init__(env, folder, episode_trigger=lambda episode: True)

    def stop_recording(self) -> None:
        """See RecordVideo."""
        try:
            super().stop_recording()  # type: ignore[no-untyped-call]
        except OSError as error:
            self.problems.append(one_line(error))
            self.recorded_frames, self.recording = [], False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """See gymnasium.Env. Without a seed it is the reset behind an episode's end, which nobody plays on from."""
        if seed is not None:
            return super().reset(seed=seed, options=options)
        if self.recording:
            self.stop_recording()
        return self.env.reset(options=options)


def filmed(env_id: str, env_kwargs: dict[str, Any], folder: str, problems: list[str]) -> HostEnvs:
    """Make an environment whose episodes are filmed into ``folder``; ``problems`` is told which are not, and why.

    Raises:
        EnvError: it cannot be built, or does not render.
        MissingExtraError: a package that filming needs is not installed.
    """
    env_kwargs = {key: value for key, value in env_kwargs.items() if key != "render_mode"}
    make_envs(env_id, env_kwargs=env_kwargs).close()  # which says in one line where it cannot be built
    if importlib.util.find_spec("moviepy") is None:
        raise MissingExtraError(f"video needs moviepy, which is not installed: {install_command('video')}")
    make = maker(env_id, env_kwargs, training=False)
    if "rgb_array" not in make().metadata.get("render_modes", ()):
        raise EnvError(f"env={env_id} cannot be filmed: it has no render_mode rgb_array; leave video out")
    if "DISPLAY" not in os.environ:
        for variable, value in WITHOUT_SCREEN.items():
            os.environ.setdefault(variable, value)

    check_frame(env_id, make(render_mode="rgb_array"))
    return as_envs(lambda: Film(make(render_mode="rgb_array"), folder, problems))


def check_frame(env_id: str, env: gym.Env[Any, Any]) -> None:
    """Raise MissingExtraError or EnvError unless the environment renders a frame here."""
    env.reset(seed=0)
    try:
        env.render()
    except gym.error.DependencyNotInstalled as error:
        raise MissingExtraError(f"video of {env_id}: {one_line(error)}, or {install_command('video')}") from error
    except Exception as error:
        raise EnvError(f"env={env_id} cannot be filmed here: {one_line(error)}; leave video out") from error
    finally:
        env.close()


def open_envs(config: RunConfig, video: str | None, problems: list[str]) -> Playable:
    """Open the environment of a run: Gymnasium's, or, where that has none of the name, the compiled one, stepped.

    Raises:
        RLPairError: it cannot be built, or not be filmed.
    """
    if not video:
        return open_playable(config.env, config.env_kwargs)
    if not families.find(config.env).on_host:
        raise ConfigError("video", video, f"left out with env={config.env}, which does not render")
    return filmed(config.env, config.env_kwargs, video, problems)


def task(values: Values, given: set[str]) -> int:
    """Play the episodes and print what came of them: the command's task."""
    settings = EvaluateConfig(**values)
    run_dir = Path(str(settings.run_dir))
    asked = None if settings.algo is None else find(settings.algo).name
    config = load_config(run_dir)
    if asked not in (None, config.algo.name):
        raise ConfigError("algo", settings.algo, f"{config.algo.name}, as in the run, or left out")
    again: Values = {key: values[key] for key in ("env", "env_kwargs") if key in given}
    check_same(vars(config), again)
    check_environment(RunDir(run_dir).config, vars(config), again)
    backend = settings.backend or config.backend
    configure_process(backend, config.algo, settings.device)
    agent = load_agent(checkpoint_of(run_dir, settings.checkpoint), backend=backend, device=settings.device)
    problems = list[str]()
    film = Path(settings.video or ".")
    missing = [folder for folder in (film, *film.parents) if not folder.exists()]
    envs = open_envs(config, settings.video, problems)
    try:
        check_spec(run_dir, agent.spec, envs.spec)
        with closing_on_interrupt():
            returns, lengths = evaluate(agent, envs, settings.episodes, settings.seed)
    except EnvFailedError as error:
        raise EnvFailedError(with_traceback(error, run_dir)) from error
    finally:
        envs.close()
    low, high = bootstrap_interval(returns, mean, RESAMPLES)
    print(f"{config.env}, {config.algo.name} in {backend}, {settings.checkpoint} checkpoint of {run_dir}")
    print(
        f"{len(returns)} episodes of {lengths.mean():.1f} steps, return {returns.mean():.2f}, std {returns.std():.2f}"
    )
    print(f"95% interval of the mean return (bootstrap): {low:.2f} to {high:.2f}")
    if problems:
        for path in film.glob("rl-video-episode-*.mp4"):
            files.discard(path)
        files.remove_empty(missing)
        raise ConfigError("video", settings.video, f"a folder that can be written to: {problems[0]}")
    if settings.video is not None:
        print(f"video: {settings.video}")
    return 0


def main() -> None:
    """Run the command; exit with its code."""
    sys.exit(Command("evaluate", EvaluateConfig, task).main())


if __name__ == "__main__":
    main()
