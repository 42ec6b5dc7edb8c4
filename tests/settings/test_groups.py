"""The configuration holds more groups than ``algo``: a field whose type is a dataclass is one, everywhere."""

from dataclasses import dataclass, field

import pytest

from rlpair.algos.dqn import DQNConfig
from rlpair.cli.arguments import resolve
from rlpair.cli.help import help_text
from rlpair.config import RunConfig
from rlpair.errors import CheckpointError, ConfigError
from rlpair.runs import saved_config, saved_run
from rlpair.settings.groups import groups_of
from rlpair.settings.schema import defaults_of


@dataclass(frozen=True)
class Camera:
    """A second group."""

    width: int = 84
    """Pixels."""
    modes: tuple[str, ...] = ("grey",)
    """What it sees."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ConfigError("camera.width", self.width, "a whole number >= 1")


@dataclass(frozen=True)
class Grouped(RunConfig):
    """A run with a second group."""

    camera: Camera = field(default_factory=Camera)
    """Its keys have docstrings of their own."""


@pytest.fixture(autouse=True)
def _grouped_runs(monkeypatch):
    for module in (saved_config, saved_run):
        monkeypatch.setattr(module, "RunConfig", Grouped)


def settled(*pairs):
    return saved_run.resolve_config(*resolve([("algo", "dqn"), *pairs], Grouped, has_algo=True))


def test_groups_are_the_fields_whose_type_is_a_dataclass():
    assert groups_of(Grouped) == {"camera": Camera}
    assert groups_of(RunConfig) == {}


def test_a_groups_keys_stand_under_its_name():
    assert defaults_of(Grouped) | {"algo": None} == defaults_of(RunConfig) | {
        "algo": None,
        "camera.width": 84,
        "camera.modes": ("grey",),
    }
    config = settled(("camera.width", "16"), ("camera.modes", "[grey,depth]"), ("algo.tau", "0.5"))
    assert config.camera == Camera(16, ("grey", "depth"))
    assert (config.algo.name, config.algo.tau, type(config)) == ("dqn", 0.5, Grouped)


@pytest.mark.parametrize(
    ("pair", "line"),
    [
        (("camera.width", "wide"), "camera.width='wide' is not allowed: a whole number"),
        (("camera.height", "3"), "camera.height='3' is not allowed: there is no such key; --help lists the keys"),
        (("camera.with", "3"), "camera.with='3' is not allowed: there is no such key; did you mean camera.width?"),
        (("camera.width", "0"), "camera.width=0 is not allowed: a whole number >= 1"),
        (("camera", "3"), "camera='3' is not allowed: there is no such key; --help lists the keys"),
    ],
)
def test_what_a_group_does_not_take_is_one_line(pair, line):
    with pytest.raises(ConfigError) as error:
        settled(pair)
    assert str(error.value) == line


def test_config_yaml_gives_a_group_back(tmp_path):
    config = settled(("camera.width", "16"), ("env_kwargs.gravity", "9.5"), ("env", "Pendulum-v1"))
    saved_config.save_config(config, tmp_path)
    assert "\ncamera:\n  width: 16\n  modes:\n  - grey\n" in (tmp_path / "config.yaml").read_text()
    assert saved_config.load_config(tmp_path) == config
    assert saved_config.flat(config.to_dict())["camera.modes"] == ("grey",)
    assert saved_config.nested(saved_config.flat(config.to_dict()))["camera"] == {"width": 16, "modes": ("grey",)}


@pytest.mark.parametrize(
    ("camera", "cause"),
    [
        ("{width: x}", "camera.width='x' is not allowed: a whole number"),
        ("{height: 3}", "it has an unknown key, camera.height"),
        ("7", "camera=7 is not allowed: a mapping, such as {KEY:VALUE}"),
        ("{width: 0}", "camera.width=0 is not allowed: a whole number >= 1"),
    ],
)
def test_a_strangers_group_is_validated(tmp_path, camera, cause):
    saved_config.save_config(Grouped(algo=DQNConfig(), env="CartPole-v1"), tmp_path)
    path = tmp_path / "config.yaml"
    before, _ = path.read_text().split("camera:")
    path.write_text(f"{before}camera: {camera}\n")
    with pytest.raises(CheckpointError) as error:
        saved_config.load_config(tmp_path)
    assert str(error.value) == f"{path}: {cause}"


def test_help_lists_a_groups_keys():
    lines = [line.split() for line in help_text("train", Grouped, True, "").splitlines()]
    assert ["camera.width=84", "Pixels."] in lines
    assert ["camera.modes=[grey]", "What", "it", "sees."] in lines
