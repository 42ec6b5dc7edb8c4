"""What is searched: several values in Hydra's words, as Optuna's distributions."""

from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from rlpair.errors import ConfigError
from rlpair.tune.space import as_pairs, corners, outside, point_of, split

KEY = "algo.learning_rate"


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("interval(1e-4,1e-2)", Float(1e-4, 1e-2)),
        ("tag(log,interval(1e-4,1e-2))", Float(1e-4, 1e-2, log=True)),
        ("int(interval(2,8))", Int(2, 8)),
        ("tag(log,int(interval(2,8)))", Int(2, 8, log=True)),
        ("range(1,8,3)", Int(1, 7, step=3)),
        ("range(1,5)", Int(1, 4)),
        ("range(0.25,1,0.25)", Float(0.25, 0.75, step=0.25)),
        ("choice(32,64)", Choice(["32", "64"])),
        ("1e-3,null,true", Choice(["0.001", "null", "true"])),
        ("choice([64,64],[256])", Choice(["[64,64]", "[256]"])),
        ("choice(relu,tanh)", Choice(["relu", "tanh"])),
    ],
)
def test_several_values(text: str, distribution: Any) -> None:
    fixed, space = split([("env", "CartPole-v1"), (KEY, text), ("algo.tau", "0.5")], "dqn")
    assert fixed == [("env", "CartPole-v1"), ("algo.tau", "0.5")]
    assert space == {KEY: distribution}


def test_without_any_the_algorithm_says_what_is_searched_but_what_is_fixed() -> None:
    fixed, space = split([("algo", "dqn"), ("algo.batch_size", "16")], "dqn")
    assert fixed == [("algo", "dqn"), ("algo.batch_size", "16")]
    assert space == {
        "algo.learning_rate": Float(1e-4, 3e-3, log=True),
        "algo.gamma": Choice(["0.98", "0.99", "0.995"]),
        "algo.tau": Float(2e-3, 5e-2, log=True),
        "algo.exploration_final_eps": Float(0.01, 0.1),
    }


WORDS = "interval(0.9,0.99), tag(log,interval(1e-4,1e-2)), int(interval(1,8)), range(1,9,2) or choice(a,b)"
ALL = [(key, "1") for key in ("algo.learning_rate", "algo.batch_size", "algo.gamma", "algo.tau")]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([(KEY, "1"), (KEY, "1,2")], f"{KEY}='1,2' is not allowed: a key is given once"),
        ([("env", "a,b")], "env='a,b' is not allowed: one environment: returns of several are not to be compared"),
        ([(KEY, "interval(2,1)")], f"{KEY}='interval(2,1)' is not allowed: {WORDS}, with something in it ("),
        ([(KEY, "tag(log,interval(0,1))")], f"{KEY}='tag(log,interval(0,1))' is not allowed: {WORDS}, with something"),
        ([(KEY, "range(3,1)")], f"{KEY}='range(3,1)' is not allowed: {WORDS}, with something in it ("),
        (ALL, f"algo='sac' is not allowed: one that has keys to search left, or give a key {WORDS}"),
    ],
)
def test_what_cannot_be_searched(pairs: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        split(pairs, "sac")
    assert str(error.value).startswith(message)


def test_drawn_values_as_they_are_written() -> None:
    drawn = {"a": 0.000123456, "b": 12, "c": "[64,64]", "d": 0.5, "e": 123456}
    assert as_pairs(drawn) == [("a", "0.0001235"), ("b", "12"), ("c", "[64,64]"), ("d", "0.5"), ("e", "123456")]


def test_corners_have_each_choice_and_both_ends() -> None:
    space = {"a": Float(0.1, 0.5), "b": Choice(["x", "y", "z"]), "c": Int(1, 4)}
    assert corners(space) == [
        [("a", "0.1"), ("b", "x"), ("c", "1")],
        [("a", "0.5"), ("b", "y"), ("c", "4")],
        [("a", "0.5"), ("b", "z"), ("c", "4")],
    ]


@pytest.mark.parametrize(
    ("values", "point", "left_out"),
    [
        ({"a": 0.1, "b": (64,)}, {"a": 0.1, "b": "[64]"}, []),
        ({"a": 0.5, "b": (64,)}, {"a": 0.5, "b": "[64]"}, []),
        ({"a": 0.51, "b": (64,)}, {"a": 0.51, "b": "[64]"}, ["a"]),
        ({"a": 0.09, "b": (64,)}, {"a": 0.09, "b": "[64]"}, ["a"]),
        ({"a": None, "b": (64,)}, {"a": None, "b": "[64]"}, ["a"]),
        ({"a": 0.1, "b": (32,)}, {"a": 0.1, "b": "[32]"}, ["b"]),
    ],
)
def test_settings_are_a_point_of_the_space_or_say_what_it_leaves_out(
    values: dict[str, Any], point: dict[str, Any], left_out: list[str]
) -> None:
    space = {"a": Float(0.1, 0.5), "b": Choice(["[64]", "[128]"])}
    assert point_of(space, values) == point
    assert outside(space, point) == left_out
