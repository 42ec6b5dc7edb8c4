"""config.yaml and result.json: every single refusal by its whole message, and what of them a resume reads."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refused import refused
from runs import config_of

from rlpair import DQNConfig, Evaluation
from rlpair.cli.sweep import JobOutcome, score
from rlpair.config import RunConfig
from rlpair.disk import files
from rlpair.errors import CheckpointError, ConfigError
from rlpair.runs.result import load_result, save_result
from rlpair.runs.saved_config import load_config, save_config, to_yaml
from rlpair.train import main, train

# config.yaml

DEEP: Any = 1
for _ in range(20):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"env_kwargs": {"a": ["x" * 99] * 700}},
            re.compile(
                r"env_kwargs=.{1,500} is not allowed: less, as the settings together take 73,\d{3} bytes "
                r"of config.yaml, which has at most 65,536"
            ),
        ),
        (
            {"env_kwargs": {"a": DEEP}},
            re.compile("env_kwargs=.* is not allowed: what config.yaml can hold: it is nested in more than 20 levels"),
        ),
        (
            {"seed": 10**100},
            re.compile("seed=.* is not allowed: what config.yaml can hold: line 1 has '10*': a text wants quotes"),
        ),
    ],
)
def test_settings_that_could_not_be_read_again_are_not_written(
    changes: dict[str, Any], message: re.Pattern[str]
) -> None:
    config = config_of("dqn", "torch", run_dir="run", **changes)
    for write in (lambda: to_yaml(config), lambda: save_config(config, Path()), lambda: train(config)):
        assert message.fullmatch(refused(write, ConfigError))
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("algo: {name: [dqn]}", "config.yaml: algo.name=['dqn'] is not allowed: one of dqn, sac"),
        ("algo: {name: ppo}", "config.yaml: algo.name='ppo' is not allowed: one of dqn, sac"),
        ("algo: dqn", "config.yaml: is not a run's configuration: it has no algo"),
        ("[]", "config.yaml: is not a run's configuration: it has no algo"),
        ("algo: {name: dqn}\nnum_envs: 1.5", "config.yaml: num_envs=1.5 is not allowed: a whole number"),
        ("algo: {name: dqn}\nenv: 5", "config.yaml: env=5 is not allowed: a text"),
        ("algo: {name: dqn}\nx: 5", "config.yaml: it has an unknown key, x"),
        ("#" * 65_537, "config.yaml: has 65,537 bytes, and such a file has at most 65,536"),
    ],
    ids=lambda value: value[:30],
)
def test_config_yaml(text: str, message: str) -> None:
    Path("config.yaml").write_text(text)
    assert refused(lambda: load_config(Path()), CheckpointError) == message


# result.json

RESULT: dict[str, Any] = {"algo": "dqn", "backend": "jax", "env": "CartPole-v1", "seeds": [0], "env_steps": 9}
RESULT |= {"mean": 1.0, "std": 0.0, "returns": [[1.0]], "lengths": [[1]], "seconds": 2.5, "versions": {"python": "3"}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": "1"}, "result.json: mean='1' is not allowed: a number"),
        ({"mean": 1.1e300}, "result.json: mean=1.1e+300 is not allowed: a number from -1e+300 to 1e+300"),
        ({"std": -1.0}, "result.json: std=-1.0 is not allowed: greater than or equal to 0"),
        ({"returns": 5}, "result.json: returns=5 is not allowed: a list"),
        ({"returns": [5]}, "result.json: returns[0]=5 is not allowed: a list"),
        ({"lengths": [[1.5]]}, "result.json: lengths[0][0]=1.5 is not allowed: a whole number"),
        ({"env_steps": None}, "result.json: env_steps=None is not allowed: a whole number"),
        ({"x": 1}, "result.json: it has an unknown key, x"),
    ],
)
def test_result_json(changes: dict[str, Any], message: str) -> None:
    path = Path("result.json")
    path.write_text(json.dumps(RESULT))
    assert score(JobOutcome(0, Path())) == ("1.0 +- 0.0", "1", "9", "2")
    path.write_text(json.dumps(RESULT | changes))
    assert refused(lambda: load_result(Path()), CheckpointError) == message
    assert score(JobOutcome(0, Path())) == (message, "", "", "")


def test_the_steps_of_a_result_are_those_that_were_made() -> None:
    evaluation = Evaluation(np.array([1.0, 3.0]), np.array([4, 5]))
    save_result(Path(), config_of("dqn", "torch", total_timesteps=400, num_envs=3), 402, evaluation, 1.23456)
    result = load_result(Path())
    assert (result["env_steps"], result["seconds"], result["seeds"]) == (402, 1.235, [0])
    assert (result["mean"], result["std"], result["returns"]) == (2.0, 1.0, [[1.0, 3.0]])


def test_a_job_without_a_result_says_so() -> None:
    assert score(JobOutcome(0, Path())) == ("result.json: is missing", "", "", "")
    assert score(JobOutcome(2, Path())) == ("exit code 2", "", "", "")


# Going on


def test_a_resume_reads_what_it_goes_by_once(monkeypatch: pytest.MonkeyPatch) -> None:
    train(config_of("dqn", "torch", run_dir="run", total_timesteps=100, eval_every=0, eval_episodes=1))
    opened: list[str] = []
    original = files.open_to_read

    def counting(path: Path) -> Any:
        opened.append(path.name)
        return original(path)

    monkeypatch.setattr(files, "open_to_read", counting)
    monkeypatch.setattr("sys.argv", ["rlpair train", "resume=run", "total_timesteps=110"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert {name: opened.count(name) for name in ("config.yaml", "agent.json")} == {"config.yaml": 1, "agent.json": 1}
    assert load_config(Path("run")) == RunConfig.from_dict(
        config_of("dqn", "torch", total_timesteps=110, eval_every=0, eval_episodes=1).to_dict()
    )


def test_result_json_has_the_seeds_that_were_trained() -> None:
    config = RunConfig(algo=DQNConfig(), env="CartPole-v1", mode="fused", seed=3, num_seeds=2)
    evaluation = Evaluation(np.array([1.0, 2.0, 3.0, 6.0]), np.array([4, 5, 6, 7]))
    save_result(Path(), config, 9, evaluation, 1.23456)
    result = load_result(Path())
    assert (result["seeds"], result["mean"], result["seconds"]) == ([3, 4], 3.0, 1.235)
    assert (result["returns"], result["lengths"]) == ([[1.0, 2.0], [3.0, 6.0]], [[4, 5], [6, 7]])
