"""What the benchmark is asked for: its suites, its jobs, what is refused."""

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from benchmarks import results_of, run_of

from rlpair.benchmark.plan import BenchmarkConfig, Job, check_results, jobs_of
from rlpair.benchmark.pool import Training
from rlpair.benchmark.progress import Progress, Stand, seconds_left
from rlpair.benchmark.results import save, session_of
from rlpair.benchmark.suites import SUITES, tasks_of
from rlpair.envs import families
from rlpair.presets import preset
from rlpair.runs.processes import Process, places_of
from rlpair.runs.saved_config import flat, save_config
from rlpair.train import train

AIMS = {  # of the issue that asked for the benchmark; the mean, or the range of means that are published
    "CartPole-v1": (500, 500),
    "Acrobot-v1": (-77, -77),
    "MountainCar-v0": (-101, -101),
    "LunarLander-v3": (154, 195),
    "Pendulum-v1": (-157, -157),
    "MountainCarContinuous-v0": (94, 95),
    "BipedalWalker-v3": (297, 298),
    "HalfCheetah-v5": (9_600, 12_200),
    "Hopper-v5": (2_300, 3_600),
    "Walker2d-v5": (3_500, 5_100),
}


def test_the_suites() -> None:
    assert {suite: [task.name for task in tasks] for suite, tasks in SUITES.items()} == {
        "classic": ["CartPole", "Acrobot", "MountainCar", "Pendulum", "MountainCarContinuous"],
        "box2d": ["LunarLander", "LunarLanderContinuous", "BipedalWalker"],
        "mujoco": [
            *("HalfCheetah", "Hopper", "Walker2d", "Ant", "Humanoid"),
            *("InvertedDoublePendulum", "Swimmer", "Reacher"),
        ],
        "minatar": ["Asterix", "Breakout", "Freeway", "Seaquest", "SpaceInvaders"],
        "atari": ["BeamRider", "Breakout", "Pong"],
    }


@pytest.mark.parametrize("task", [task for tasks in SUITES.values() for task in tasks], ids=lambda task: task.env)
def test_a_task_has_a_score_with_its_source_and_protocol(task: Any) -> None:
    for score in task.published:
        assert score.source
        assert score.protocol
        assert score.std is None or score.std >= 0
    assert task.published[0].mean > task.random
    assert families.find(task.env).on_host
    assert preset(task.algo, task.env).config.learning_starts < task.total_env_steps
    if task.env in AIMS:
        low, high = AIMS[task.env]
        assert low <= round(task.published[0].mean) <= high


def test_tasks_are_named_by_id_or_without_version() -> None:
    assert [task.env for task in tasks_of(("box2d", "classic"), ("LunarLander", "CartPole-v1"))] == [
        "LunarLander-v3",
        "CartPole-v1",
    ]
    assert [task.env for task in tasks_of(("atari", "minatar"), ("Breakout",))] == [
        "ALE/Breakout-v5",
        "MinAtar/Breakout-v1",
    ]


def test_a_job_is_a_training_in_a_folder_of_its_own() -> None:
    jobs = jobs_of(BenchmarkConfig(only=("Pendulum",), seeds=2, out="o"))
    assert [job.name for job in jobs] == [
        f"Pendulum-v1 sac {backend} seed {seed}" for seed in (0, 1) for backend in ("torch", "jax")
    ]
    assert jobs[2].arguments == (
        *("algo=sac", "backend=torch", "env=Pendulum-v1", "seed=1", "device=cpu", "total_timesteps=20000"),
        *("eval_every=1000", "eval_episodes=20", "checkpoint_every=2000", "run_dir=o/Pendulum-v1/sac-torch/seed1"),
    )
    assert jobs[2].command() == list(jobs[2].arguments)
    assert jobs[2].config.algo.learning_rate == 1e-3  # the preset's
    assert str(jobs[2].log) == "o/Pendulum-v1/sac-torch/seed1.log"
    assert len({job.folder for job in jobs}) == 4


@pytest.mark.parametrize(("task", "steps", "every"), [("Hopper", None, 50_000), ("Hopper", 100_000, 10_000)])
def test_a_killed_job_loses_a_tenth_of_it_and_no_more_than_the_presets_part(
    task: str, steps: int | None, every: int
) -> None:
    (job,) = jobs_of(BenchmarkConfig(suite=("mujoco",), only=(task,), backend=("jax",), seeds=1, total_env_steps=steps))
    assert job.config.checkpoint_every == every


def test_seeds_begin_where_they_are_asked_to() -> None:
    jobs = jobs_of(BenchmarkConfig(only=("Pendulum",), backend=("jax",), seeds=2, first_seed=100))
    assert [(job.config.seed, job.folder.name) for job in jobs] == [(100, "seed100"), (101, "seed101")]


def test_an_atari_job_is_as_published() -> None:
    (job,) = jobs_of(BenchmarkConfig(suite=("atari",), only=("Pong",), backend=("torch",), seeds=1, compile=True))
    assert job.config.env_kwargs == {"repeat_action_probability": 0.0, "terminal_on_life_loss": True}
    assert job.config.compile
    assert job.config.total_timesteps == 10_000_000
    assert str(job.folder) == "runs/benchmark/ALE-Pong-v5/dqn-torch/seed0"


def test_a_backend_that_is_named_twice_has_one_job_and_all_are_on_the_device_that_is_asked_for() -> None:
    jobs = jobs_of(BenchmarkConfig(only=("Pendulum",), backend=("jax", "torch", "jax"), seeds=1, device="cuda"))
    assert [(job.config.backend, job.config.device) for job in jobs] == [("jax", "cuda"), ("torch", "cuda")]


def test_compile_is_torchs() -> None:
    torch, jax = jobs_of(BenchmarkConfig(only=("Pendulum",), seeds=1, compile=True))
    assert (torch.config.compile, jax.config.compile) == (True, False)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["suite=dm"], "suite='dm' is not allowed: one of classic, box2d, mujoco, minatar, atari"),
        (["suite=[]"], "suite=[] is not allowed: a list with something in it"),
        (
            ["only=Hopper"],
            "only='Hopper' is not allowed: some of CartPole, Acrobot, MountainCar, Pendulum, MountainCarContinuous",
        ),
        (["backend=tf"], "backend='tf' is not allowed: one of torch, jax"),
        (["device=tpu"], "device='tpu' is not allowed: one of auto, cpu, cuda"),
        (["seeds=0"], "seeds=0 is not allowed: a whole number from 1 to 1,000"),
        (["first_seed=-1"], "first_seed=-1 is not allowed: a whole number >= 0"),
        (["jobs=0"], "jobs=0 is not allowed: a whole number from 1 to 1,000"),
        (["threads=-1"], "threads=-1 is not allowed: a whole number from 1 to 1,000"),
        (
            ["total_env_steps=1000"],
            "total_env_steps=1000 is not allowed: more than the 1,000 steps before CartPole-v1 begins to learn",
        ),
        (
            ["backend=jax", "compile=true"],
            "compile=True is not allowed: false with backend=jax, which is always compiled",
        ),
        (["report=nowhere"], "report='nowhere' is not allowed: a folder that a benchmark wrote results.json into"),
        (["report=x", "seeds=2"], "seeds=2 is not allowed: left out with report=, which trains nothing"),
        (["envs=1"], "envs='1' is not allowed: there is no such key; --help lists the keys"),
        (["out=file/x"], "out='file/x' is not allowed: a folder that can be written to: Not a directory"),
    ],
)
def test_what_is_refused(arguments: list[str], line: str, command: Callable[..., tuple[int, str, str]]) -> None:
    Path("file").touch()
    assert command("benchmark", *arguments) == (2, "", f"rlpair: {line}\n")
    assert [path.name for path in Path().iterdir()] == ["file"]


def test_a_folder_with_runs_of_other_settings_is_refused(command: Callable[..., tuple[int, str, str]]) -> None:
    config = BenchmarkConfig(only=("Pendulum",), seeds=1, out="o")
    torch, jax = jobs_of(config)
    for job in (torch, jax):
        job.folder.mkdir(parents=True)
        save_config(job.config, job.folder)
    assert [job.folder for job in jobs_of(config)] == [torch.folder, jax.folder]
    code, out, err = command("benchmark", "only=Pendulum", "seeds=1", "out=o", "total_env_steps=500")
    assert (code, out) == (2, "")
    assert err == (
        "rlpair: out='o' is not allowed: one whose runs have these settings: "
        "o/Pendulum-v1/sac-torch/seed0 has total_timesteps=20000, not 500\n"
    )


def test_results_of_other_settings_are_refused_even_where_their_folders_are_gone(
    command: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlpair.runs.processes.TRAIN", (sys.executable, "-c", "raise SystemExit('trains')"))
    job = jobs_of(BenchmarkConfig(only=("Pendulum",), seeds=1))[0]
    own = {key: list(x) if isinstance(x, tuple) else x for key, x in flat(job.config.to_dict()).items()}
    own |= {"seed": 7, "run_dir": "elsewhere"}
    del own["num_envs"]  # as if it had been written before there were any
    Path("o").mkdir()
    for key, value, code in (("algo.tau", 0.5, 2), ("algo.tau", own["algo.tau"], 0)):
        run = run_of("Pendulum-v1", "torch", 7, [1.0], env_steps=20_000, settings=own | {key: value})
        results = results_of(run, run_of("Pendulum-v1", "torch", 8, [1.0], env_steps=500))  # a short try is another row
        save(Path("o"), results)
        if code:
            found = command("benchmark", "only=Pendulum", "seeds=1", "out=o")
            allowed = "one whose runs have these settings: results.json, seed 7 has algo.tau=0.5, not 0.005"
            assert found == (2, "", f"rlpair: out='o' is not allowed: {allowed}\n")
        else:
            check_results([job], results, "o")


def test_a_job_that_was_killed_between_its_best_agent_and_its_first_checkpoint_begins_anew() -> None:
    job, *_ = jobs_of(BenchmarkConfig(only=("CartPole",), seeds=1, total_env_steps=1_200, out="o"))
    train(job.config)
    assert job.command() == ["resume=o/CartPole-v1/dqn-torch/seed0"]
    (job.folder / "result.json").unlink()
    for step in job.folder.glob("checkpoints/step_*"):
        shutil.rmtree(step)
    assert job.command() == list(job.arguments)
    assert (job.folder / "checkpoints" / "best").is_dir()
    job.clear()
    assert train(job.config).env_steps == 1_200


def test_a_session_is_told_in_hours() -> None:
    session = session_of("the command", 5_400.0, 2)
    assert (session["command"], session["hours"], session["finished"]) == ("the command", 1.5, 2)


def test_as_many_trainings_as_there_are_cores_for() -> None:
    assert [places_of(*asked) for asked in ((4, None, 1), (5, None, 2), (2, None, 4), (2, 3, 1))] == [4, 2, 1, 3]


def test_the_time_left_is_by_what_is_like_the_job() -> None:
    """DQN takes 1 ms a step in torch and 0.5 in jax; of SAC nothing is known but what all take, 0.75 ms."""
    config = BenchmarkConfig(only=("CartPole", "Acrobot", "Pendulum"), seeds=1, total_env_steps=2_000)
    jobs = jobs_of(config)
    stands = {job.name: Stand(0, 0.0) for job in jobs}
    assert seconds_left(jobs, stands, 1) is None
    stands |= {jobs[0].name: Stand(2_000, 2.0), jobs[1].name: Stand(2_000, 1.0)}
    # Acrobot: 4,000 steps of DQN at 0.75 ms; Pendulum as all
    assert seconds_left(jobs, stands, 1) == pytest.approx(3.0 + 3.0)
    assert seconds_left(jobs, stands, 2) == pytest.approx(3.0)
    assert seconds_left(jobs, stands, 100) == pytest.approx(1.5)  # the longest alone
    stands[jobs[2].name] = Stand(1_000, 3.0)  # Acrobot in torch: 1,000 more at 3 ms; in jax as DQN, 6.0 s / 5,000
    assert seconds_left(jobs[:4], stands, 1) == pytest.approx(3.0 + 2_000 * 6.0 / 5_000)


class Stub(NamedTuple):
    """What a pool is at the moment."""

    running: list[Training]
    finished: list[Job]
    failed: list[Job]


def test_what_has_just_finished_is_no_part_of_the_time_left() -> None:
    """A job of 2,000 steps is seen at the 1,000th, then at its end after 4 seconds: 4 are left of the other."""
    config = BenchmarkConfig(only=("Pendulum",), backend=("torch",), seeds=2, total_env_steps=2_000, out="o")
    first, second = jobs_of(config)
    first.folder.mkdir(parents=True)
    metrics, stream = first.folder / "metrics.jsonl", io.StringIO()
    metrics.write_text('{"env_steps": 1000, "seconds": 3.0}\n')
    pool: Any = Stub([Training(first, cast(Process, None))], [], [])
    progress = Progress([first, second], pool, 1, stream)
    progress.show(at_once=True)
    metrics.write_text('{"env_steps": 2000, "seconds": 4.0}\n')
    pool.running[:], pool.finished[:] = [Training(second, cast(Process, None))], [first]
    progress.show(at_once=True)
    assert stream.getvalue().splitlines() == [
        "0/2 jobs  left 0:09  Pendulum-v1 sac torch seed 0 50%",
        "1/2 jobs  left 0:04  Pendulum-v1 sac torch seed 1 0%",
    ]


def test_how_far_a_job_is_stands_in_its_last_whole_record() -> None:
    job, *_ = jobs_of(BenchmarkConfig(only=("Pendulum",), seeds=1, out="o"))
    assert Stand.of(job) == (0, 0.0)
    job.folder.mkdir(parents=True)
    for text in ("", "{", "[1]\n", '{"env_steps": 3}\n'):
        (job.folder / "metrics.jsonl").write_text(text)
        assert Stand.of(job) == (0, 0.0), text
    line = '{"env_steps": %d, "seconds": 1.5}\n'
    (job.folder / "metrics.jsonl").write_text("".join(line % k for k in range(3_000)) + '{"env_st')
    assert Stand.of(job) == (2_999, 1.5)
