"""Every command of the documents is run, shortened by a rule that stands here, or named as one that
cannot be: nothing that is pasted from them is untried, and a new one fails until it is handled.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from snippets import PAGES, ROOT, SNIPPETS, commands_of, snippets_of

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


class Rule(NamedTuple):
    """How commands are run that match: which settings are put in place of theirs, or added."""

    pattern: str
    settings: str = ""
    above: float | None = None  # the greedy return that each training is to pass
    prints: str = ""  # what stands in its output


SMALL_SAC = "algo.net_arch=[64,64] algo.batch_size=128 algo.gamma=0.95"  # learns Pendulum too, and faster
SMALL_COMPARE = "algo=[dqn] mode=[eager,host] num_envs=[1] batch_size=[32] net_arch=[[16]] repeats=1 seconds=0.1"
SHORT = "total_timesteps=600 eval_every=0 eval_episodes=2 algo.learning_starts=200 algo.net_arch=[64,64]"
SHORT_PONG = "total_timesteps=300 algo.learning_starts=200 algo.buffer_size=1000 eval_every=0 eval_episodes=1"
SAC_RUN = "runs/Pendulum-v1/sac-jax/seed0-20261123-150000"  # made first; it stands for runs/... too
RULES = [  # random actions get 21 on CartPole and -1,200 on Pendulum
    Rule("train .*LunarLander", SHORT, prints="dqn torch LunarLander-v3: return -"),
    Rule("train .*HalfCheetah", SHORT, prints="HalfCheetah-v5: return -"),
    Rule("train .*backend=torch env=ALE/Pong", SHORT_PONG, prints="dqn torch ALE/Pong-v5: return -2"),
    Rule("train .*backend=jax env=ALE/Pong", SHORT_PONG, prints="dqn jax ALE/Pong-v5: return -2"),
    Rule("train algo=dqn mode=fused", "num_seeds=2 total_timesteps=4000", above=80),  # 208
    Rule("train .*compile=true", SHORT, prints="sac torch Pendulum-v1: return -"),
    Rule("train -m ", f"seed=0 {SHORT}", prints="sac torch Pendulum-v1: return -"),
    Rule("train resume=", "total_timesteps=3200", above=-700),
    Rule("train algo=sac backend=jax", f"total_timesteps=6000 eval_every=0 {SMALL_SAC}", above=-700),
    Rule("train --help", prints="algo.learning_rate="),
    Rule("evaluate run_dir=", "episodes=2", prints="2 episodes of 200.0 steps, return "),
    Rule("plot runs", prints="rollout/episodic_return"),
    Rule("compare", SMALL_COMPARE, prints="env steps/s"),
    Rule("benchmark", "suite=classic only=Pendulum seeds=1 total_env_steps=300", prints="all in runs/benchmark"),
    Rule("tune", "trials=1 seeds=1 total_timesteps=1200", prints="best: "),
    Rule("parity", "seeds=1", prints="comparisons within their tolerance"),
]
NOT_RUN = {  # command: why; what it names is checked all the same
    "git clone URL rlpair": "it fetches what is tested here",
    "cd rlpair": "part of the clone",
    "python3 -m venv .venv": "it makes an environment for an installation; .ci/run does",
    "source .venv/bin/activate": "part of the environment",
    "python -m pytest -n auto --dist worksteal": "it would run this test",
    "pre-commit install": "it changes the repository that it stands in",
    "PYTHONPATH=.:vendor python scripts/gpu.py": "it needs a GPU",
    "python scripts/cluster.py 'benchmark=\"suite=mujoco seeds=5 out=/shared/mujoco\"'": "test_cluster.py pastes it",
}
STICKY = "mode=fused num_seeds=3 env_kwargs.sticky_action_prob=0.1"
for game in ("Breakout", "Asterix", "SpaceInvaders"):
    command = f"python -m rlpair.train algo=dqn backend=jax env=gymnax/{game}-MinAtar {STICKY}"
    NOT_RUN[command] = "gymnax is not among the extras here; tests/envs/test_gymnax.py runs it"
ON_HOST = "env=MinAtar/Breakout-v1 total_timesteps=1000000 checkpoint_every=250000"
NOT_RUN[f"python -m rlpair.train algo=dqn backend=torch {ON_HOST}"] = (
    "minatar is not among the extras here; tests/envs/test_minatar.py runs it"
)
INSTALL = re.compile(r"pip install (.*)")  # never run: .ci/run does, into an environment of its own


COMMANDS = [(s.name, command) for s in SNIPPETS if s.language in ("", "bash") for command in commands_of(s)]
TO_RUN = [pair for pair in COMMANDS if pair[1] not in NOT_RUN and not INSTALL.fullmatch(pair[1])]


def rule_of(command: str) -> Rule:
    """The first that matches."""
    own = re.sub(r"^(python -m rlpair\.|rlpair )", "", command)
    assert own != command, f"{command!r} is no command of rlpair: name it in NOT_RUN, with the reason"
    rules = [rule for rule in RULES if re.match(rule.pattern, own)]
    assert rules, f"{command!r} is matched by no rule: write one in RULES"
    return rules[0]


def shortened(command: str, settings: str) -> list[str]:
    """The command as it is run here: by this interpreter, with the rule's settings over its own."""
    first, *rest = shlex.split(re.sub(r"^(python -m rlpair\.|rlpair )", "", command).replace("runs/...", SAC_RUN))
    given = settings.split()
    keys = {setting.partition("=")[0] for setting in given}
    kept = [argument for argument in rest if argument.partition("=")[0] not in keys]
    return [sys.executable, "-m", f"rlpair.{first}", *kept, *given]


def all_shortened() -> dict[str, tuple[Rule, list[str]]]:
    """Every line that is to be run, with its rule; those that are the same when they are shortened once."""
    rules = [(rule_of(command), command) for _, command in TO_RUN]
    lines = [(rule, shortened(command, rule.settings)) for rule, command in rules]
    return {shlex.join(line[2:]): (rule, line) for rule, line in lines}


SHORTENED = all_shortened()
ON_A_RUN = "resume=|run_dir=|plot"


def run(line: list[str], folder: Path | None = None) -> str:
    """What it prints. It has to end well."""
    result = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_pages_have_snippets_and_all_are_of_a_kind_that_is_tried() -> None:
    assert len(TO_RUN) >= 10
    assert {snippet.language for snippet in SNIPPETS} <= {"", "bash", "python", "json"}


@pytest.mark.parametrize(("name", "command"), TO_RUN)
def test_every_command_has_a_rule(name: str, command: str) -> None:
    assert rule_of(command)


def test_every_rule_and_exception_is_of_a_command_that_there_is() -> None:
    assert NOT_RUN.keys() <= {command for _, command in COMMANDS}
    assert {rule_of(command).pattern for _, command in TO_RUN} >= {r.pattern for r in RULES if r.pattern != "parity"}


@pytest.mark.parametrize("command", sorted({command for _, command in COMMANDS if INSTALL.fullmatch(command)}))
def test_what_is_installed_is_there(command: str) -> None:
    arguments = shlex.split(command)[2:]
    for option, value in pairwise(arguments):
        if option == "-c":
            assert (ROOT / value).is_file()
        if option == "-e":
            extras = re.fullmatch(r"\.\[([\w,]+)\]", value)
            assert extras
            assert set(extras[1].split(",")) <= EXTRAS.keys()


def test_every_extra_that_is_named_is_there() -> None:
    named = {extra for page in PAGES for extra in re.findall(r"'\.\[(\w+)\]'", (ROOT / page).read_text())}
    assert {"box2d", "mujoco", "gymnax", "brax"} <= named <= EXTRAS.keys()


@pytest.mark.parametrize("page", PAGES)
def test_scripts_and_modules_that_are_named_are_there(page: str) -> None:
    text = (ROOT / page).read_text()
    for script, options in re.findall(r"python (\w+/\w+\.py)([^`\n#]*)", text):
        assert (ROOT / script).is_file()
        for option in re.findall(r"--[\w-]+", options):
            assert re.search(rf"\b{option[2:]}\b", (ROOT / script).read_text()), f"{script} has no {option}"
    for module in re.findall(r"python -m rlpair\.(\w+)", text):
        assert (ROOT / "rlpair" / f"{module}.py").is_file() or (ROOT / "rlpair" / module).is_dir()
    for file in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / page).parent.joinpath(file).exists(), f"{page} links to {file}"


def test_a_new_snippet_does_not_slip_through() -> None:
    (snippet,) = snippets_of("new.md", "text\n\n```bash\nrlpair dance a=1   # well\nls && rlpair train --help\n```\n")
    assert snippet.name == "new.md:3"
    assert commands_of(snippet) == ["rlpair dance a=1", "ls", "rlpair train --help"]
    with pytest.raises(AssertionError, match="'rlpair dance a=1' is matched by no rule"):
        rule_of("rlpair dance a=1")
    with pytest.raises(AssertionError, match="'ls' is no command of rlpair"):
        rule_of("ls")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run."""
    folder, settings = tmp_path_factory.mktemp("trained"), f"eval_every=0 run_dir={SAC_RUN} {SMALL_SAC}"
    run(shortened("rlpair train algo=sac backend=jax total_timesteps=3000", settings), folder)
    return folder


@pytest.fixture
def sac_run(trained: Path) -> None:
    """Put a copy here, that the commands may go on with, play and draw."""
    shutil.copytree(trained, ".", dirs_exist_ok=True)


@pytest.mark.slow
@pytest.mark.usefixtures("sac_run")
@pytest.mark.parametrize("command", [command for command in SHORTENED if re.search(ON_A_RUN, command)])
def test_a_command_on_a_run(command: str) -> None:
    check(*SHORTENED[command])


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for command in SHORTENED if not re.search(ON_A_RUN, command)])
def test_a_command(command: str) -> None:
    check(*SHORTENED[command])


def check(rule: Rule, line: list[str]) -> None:
    """Run it and look at what it prints."""
    printed = run(line)
    assert rule.prints in printed
    if rule.above is not None:
        returns = [float(x) for x in re.findall(r"return (-?[\d.]+) \+- ", printed)]
        assert returns
        assert min(returns) > rule.above, printed
