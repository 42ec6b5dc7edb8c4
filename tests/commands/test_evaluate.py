"""python -m rlpair.evaluate: what it plays, prints and films, and what it refuses."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import DependencyNotInstalled

from rlpair import DQNConfig, load_agent, make_agent
from rlpair.advice import install_command
from rlpair.aggregate import bootstrap_interval, mean
from rlpair.config import RunConfig
from rlpair.envs.make import make_envs
from rlpair.evaluate import RESAMPLES, main
from rlpair.loops.host import evaluate as evaluate_episodes
from rlpair.runs.saved_config import save_config


class Payer(gym.Env[np.ndarray, Any]):
    """Three steps, each of which pays its action, plus a random number below ``noise`` drawn at the start."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - as Gymnasium has it
    observation_space = spaces.Box(0, 3, (1,), np.float32)
    action_space = spaces.Discrete(3)

    def __init__(self, noise: int = 1, broken: Exception | None = None, render_mode: str | None = None) -> None:
        self.noise, self.broken, self.render_mode = noise, broken, render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.count, self.extra = 0, float(self.np_random.integers(self.noise))
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        return np.full(1, self.count, np.float32), float(action) + self.extra, self.count == 3, False, {}

    def render(self) -> np.ndarray:
        if self.broken is not None:
            raise self.broken
        return np.full((32, 32, 3), 80 * self.count, np.uint8)


class Blind(Payer):
    metadata = {"render_modes": []}  # noqa: RUF012


gym.register("evaluate/Payer-v0", Payer)
gym.register("evaluate/Noisy-v0", Payer, kwargs={"noise": 10})
gym.register("evaluate/Blind-v0", Blind)
gym.register("evaluate/NoScreen-v0", Payer, kwargs={"broken": RuntimeError("no screen\nat all")})
gym.register("evaluate/NoPygame-v0", Payer, kwargs={"broken": DependencyNotInstalled("pygame is not installed")})

NAMES = {"step_5": 0, "best": 2, "step_10": 1}  # checkpoints, and the action that each agent always takes


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., str]:
    """``make_run(env)``: the run_dir of a run by jax, with the checkpoints of NAMES."""

    def make(env: str, **env_kwargs: Any) -> str:
        config = RunConfig(algo=DQNConfig(net_arch=(8,)), env=env, env_kwargs=env_kwargs, run_dir="run")
        Path("run").mkdir()
        save_config(config, Path("run"))
        agent = make_agent("dqn", backend="jax", env=gym.make(env, **env_kwargs), config=config.algo)
        for name, action in NAMES.items():
            state = agent.state_dict()
            state["q.0.1.bias"] = np.where(np.arange(3) == action, np.float32(100), np.float32(0))
            agent.load_state_dict(state)
            agent.save(tmp_path / "run" / "checkpoints" / name)
        return "run"

    return make


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``command("run_dir=run", ...)``: exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rlpair.evaluate", *arguments])
        with pytest.raises(SystemExit) as exit_info:
            main()
        return (int(str(exit_info.value.code)), *capsys.readouterr())

    return run


Run = Callable[..., str]
Call = Callable[..., tuple[int, str, str]]


def test_plays_the_last_checkpoint_in_its_own_backend(make_run: Run, command: Call) -> None:
    make_run("evaluate/Payer-v0")
    assert command("run_dir=run", "episodes=4") == (
        0,
        "evaluate/Payer-v0, dqn in jax, last checkpoint of run\n"
        "4 episodes of 3.0 steps, return 3.00, std 0.00\n"
        "95% interval of the mean return (bootstrap): 3.00 to 3.00\n",
        "",
    )


def test_plays_any_checkpoint_in_the_other_backend(make_run: Run, command: Call) -> None:
    make_run("evaluate/Payer-v0")
    _, best, _ = command("run_dir=run", "checkpoint=best", "backend=torch", "device=cpu")
    assert best.splitlines()[:2] == [
        "evaluate/Payer-v0, dqn in torch, best checkpoint of run",
        "20 episodes of 3.0 steps, return 6.00, std 0.00",
    ]
    _, first, _ = command("run_dir=run", "checkpoint=step_5")
    assert first.splitlines()[1] == "20 episodes of 3.0 steps, return 0.00, std 0.00"


def test_the_agent_is_loaded_onto_the_device_that_is_asked_for(
    make_run: Run, command: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("evaluate/Payer-v0")
    devices = list[str]()

    def loads(path: Path, **options: Any) -> Any:
        devices.append(options["device"])
        return load_agent(path, **options)

    monkeypatch.setattr("rlpair.evaluate.load_agent", loads)
    assert [command("run_dir=run", "episodes=1", *device)[0] for device in ([], ["device=cpu"])] == [0, 0]
    assert devices == ["auto", "cpu"]


def test_the_seed_decides_the_episodes(make_run: Run, command: Call) -> None:
    make_run("evaluate/Noisy-v0")
    always_1 = make_agent("dqn", backend="torch", env=gym.make("evaluate/Payer-v0"), config=DQNConfig(net_arch=(8,)))
    always_1.load_state_dict(always_1.state_dict() | {"q.0.1.bias": np.array([0, 100, 0], np.float32)})
    returns = evaluate_episodes(always_1, make_envs("evaluate/Noisy-v0"), 20, seed=7).returns
    low, high = bootstrap_interval(returns, mean, RESAMPLES)
    _, output, _ = command("run_dir=run", "seed=7")
    assert output.splitlines()[1:] == [
        f"20 episodes of 3.0 steps, return {returns.mean():.2f}, std {returns.std():.2f}",
        f"95% interval of the mean return (bootstrap): {low:.2f} to {high:.2f}",
    ]
    assert low < returns.mean() < high
    assert command("run_dir=run", "seed=8")[1] != output


def test_env_kwargs_are_the_runs(make_run: Run, command: Call) -> None:
    make_run("evaluate/Payer-v0", noise=1000)
    assert "std 0.00" not in command("run_dir=run")[1]


def test_bootstrap_interval() -> None:
    returns = np.arange(100.0)  # the normal interval: 49.5 +- 1.96 * 28.9 / 10
    assert bootstrap_interval(returns, mean, RESAMPLES) == pytest.approx((49.5 - 5.66, 49.5 + 5.66), abs=0.2)
    assert bootstrap_interval(returns, mean, RESAMPLES) == bootstrap_interval(returns, mean, RESAMPLES)
    assert bootstrap_interval(np.array([500.0]), mean, RESAMPLES) == (500, 500)


def test_films_every_episode_and_changes_none(make_run: Run, command: Call) -> None:
    from moviepy import VideoFileClip

    make_run("evaluate/Noisy-v0")
    _, plain, _ = command("run_dir=run", "episodes=3")
    code, output, errors = command("run_dir=run", "episodes=3", "video=films")
    assert (code, output, errors) == (0, plain + "video: films\n", "")
    names = sorted(path.name for path in Path("films").iterdir())
    assert names == [f"rl-video-episode-{i}.mp4" for i in range(3)]
    with VideoFileClip(f"films/{names[0]}") as clip:
        assert (clip.n_frames, clip.fps, clip.size) == (4, 10, [32, 32])


def test_a_film_that_cannot_be_written_costs_a_line(make_run: Run, command: Call) -> None:
    from moviepy.video.io.ImageSequenceClip import ImageSequenceClip

    def half_written(clip: Any, path: str, **options: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    make_run("evaluate/Noisy-v0")
    _, plain, _ = command("run_dir=run", "episodes=3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageSequenceClip, "write_videofile", half_written)
        code, output, errors = command("run_dir=run", "episodes=3", "video=some/films")
    allowed = "a folder that can be written to: [Errno 28] No space left on device"
    assert (code, output, errors) == (2, plain, f"rlpair: video='some/films' is not allowed: {allowed}\n")
    assert not Path("some").exists()
    assert command("run_dir=run", "episodes=1", "video=some/films")[0] == 0


NO_PYGAME = f"video of evaluate/NoPygame-v0: pygame is not installed, or {install_command('video')}"


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ("Blind", "env=evaluate/Blind-v0 cannot be filmed: it has no render_mode rgb_array; leave video out"),
        ("NoScreen", "env=evaluate/NoScreen-v0 cannot be filmed here: no screen at all; leave video out"),
        ("NoPygame", NO_PYGAME),
    ],
)
def test_what_cannot_be_filmed(make_run: Run, command: Call, env: str, message: str) -> None:
    make_run(f"evaluate/{env}-v0")
    assert command("run_dir=run", "video=films") == (2, "", f"rlpair: {message}\n")
    assert not Path("films").exists()


def test_filming_needs_moviepy(make_run: Run, command: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run("evaluate/Payer-v0")
    monkeypatch.setitem(sys.modules, "moviepy", None)
    message = f"video needs moviepy, which is not installed: {install_command('video')}"
    assert command("run_dir=run", "video=films") == (2, "", f"rlpair: {message}\n")


A_NAME = "last, best or step_N; in a run of many seeds with /seed_K behind it"
OUTSIDE = (
    "../../elsewhere",
    "/tmp/elsewhere",
    "step_5/../../../elsewhere",
    "best/.",
    "step_5/agent.json",
    ".step_5.tmp",
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "run_dir=None is not allowed: the folder of a run, run_dir=runs/..."),
        (["run_dir=run", "episodes=0"], "episodes=0 is not allowed: a whole number >= 1"),
        (["run_dir=run", "episodes=1e12"], "episodes=1000000000000 is not allowed: at most 100,000"),
        (["run_dir=run", "episodes=many"], "episodes='many' is not allowed: a whole number"),
        (["run_dir=run", "seed=-1"], "seed=-1 is not allowed: a whole number >= 0"),
        (["run_dir=run", "backend=tensorflow"], "backend='tensorflow' is not allowed: one of torch, jax"),
        (["run_dir=run", "device=tpu"], "device='tpu' is not allowed: one of auto, cpu, cuda"),
        (["run_dir=run", "algo=sac"], "algo='sac' is not allowed: dqn, as in the run, or left out"),
        (["run_dir=run", "video=run"], "video='run' is not allowed: a folder that does not exist yet"),
        (["run_dir=run", "checkpoint=step_7"], "run/checkpoints/step_7: does not exist"),
        *((["run_dir=run", f"checkpoint={name}"], f"checkpoint='{name}' is not allowed: {A_NAME}") for name in OUTSIDE),
    ],
)
def test_bad_input_is_one_line(make_run: Run, command: Call, arguments: list[str], message: str) -> None:
    make_run("evaluate/Payer-v0")
    assert command(*arguments) == (2, "", f"rlpair: {message}\n")


def test_a_folder_that_holds_no_run(command: Call) -> None:
    code, output, errors = command("run_dir=nowhere")
    assert (code, output) == (2, "")
    assert errors == "rlpair: nowhere/config.yaml: is missing\n"
    assert errors.count("\n") == 1


def test_the_command_in_a_process_of_its_own(make_run: Run, run_python: Callable[..., str]) -> None:
    env = "CartPole-v1"
    config = RunConfig(algo=DQNConfig(net_arch=(8,)), env=env, backend="torch")
    Path("run").mkdir()
    save_config(config, Path("run"))
    make_agent("dqn", backend="torch", env=gym.make(env), config=config.algo).save("run/checkpoints/step_0")
    output = run_python("-m", "rlpair.evaluate", "run_dir=run", "episodes=2", "video=films")
    assert output.splitlines()[0] == "CartPole-v1, dqn in torch, last checkpoint of run"
    assert len(list(Path("films").iterdir())) == 2
