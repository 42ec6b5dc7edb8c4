"""python -m rlpair.compare: the grid, the arithmetic, what is refused, and a small run with all that it writes."""

from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import pytest
from compared import BASE, CPU, result
from pixel_envs import Clock

from rlpair import DQNConfig, EnvSpec, SACConfig
from rlpair.algos.registry import find
from rlpair.compare.figure import line_values
from rlpair.compare.grid import CompareConfig, check_envs, grid
from rlpair.compare.report import greedy_return, speed
from rlpair.compare.result import Result, overlap, share_of_peak, title
from rlpair.compare.roofline import update_flop
from rlpair.compare.variant import FusedVariant, microseconds
from rlpair.compare.verdicts import limit, verdicts
from rlpair.errors import EnvError

gym.register("images/Clock-v0", lambda: Clock((4, 5, 1)))


def names(config: CompareConfig) -> list[list[str]]:
    return [[variant.name for variant in workload] for workload in grid(config.filled(), CPU)]


# The grid


def test_the_quick_preset_has_every_variant_of_both_algorithms_once() -> None:
    assert names(CompareConfig()) == [["torch eager", "torch compiled", "jax host", "jax fused", "jax seeds 4"]] * 2


def test_lists_are_multiplied() -> None:
    config = CompareConfig(
        algo=("dqn",), mode=("eager",), num_envs=(1, 8), batch_size=(32, 64), net_arch=((8,), (9, 9))
    )
    points = [(c.num_envs, c.batch_size, c.net_arch) for (c,) in grid(config.filled(), CPU)]
    assert points == [(n, b, arch) for n in (1, 8) for b in (32, 64) for arch in ((8,), (9, 9))]


def test_the_full_preset_varies_one_list_at_a_time() -> None:
    variants = grid(CompareConfig(algo=("dqn",), preset="full").filled(), CPU)
    points = [(w[0].num_envs, w[0].batch_size, w[0].net_arch) for w in variants]
    others = [(1, 128, (64, 64)), (1, 128, (512, 512)), (1, 64, (120, 84)), (1, 1024, (120, 84))]
    assert points == [(1, 128, (120, 84)), *others, (8, 128, (120, 84)), (64, 128, (120, 84))]
    assert [c.num_seeds for c in variants[0] if c.mode == "seeds"] == [4, 16, 64]
    assert [c.num_seeds for c in variants[1] if c.mode == "seeds"] == [4]


def test_an_environment_has_the_variants_that_its_family_has() -> None:
    assert names(CompareConfig(algo=("dqn",), env="LunarLander-v3")) == [["torch eager", "torch compiled", "jax host"]]
    assert names(CompareConfig(algo=("dqn",), backend=("jax",), mode=("eager",))) == []
    assert names(CompareConfig(algo=("dqn",), env="gymnax/Catch-bsuite", num_seeds=(4,))) == [
        ["jax fused", "jax seeds 4"]
    ]


def test_a_variant_makes_as_many_updates_as_env_steps() -> None:
    config = BASE._replace(num_envs=8, batch_size=64, net_arch=(32,)).config
    assert (config.gradient_steps, config.train_freq) == (8, 1)
    assert (config.batch_size, config.net_arch, config.learning_rate) == (
        64,
        (32,),
        find("dqn").benchmark.learning_rate,
    )


def test_images_have_the_published_work_of_atari() -> None:
    (variant,) = grid(CompareConfig(algo=("dqn",), mode=("eager",)).filled(), CPU, {"dqn": "nature"})[0]
    config = variant._replace(num_envs=8).config
    assert (config.gradient_steps, config.train_freq, config.batch_size, config.net_arch) == (8, 4, 32, ())
    threads = 32 * (20 * 20 * 32) * (8 * 8 * 4) // 2**22  # of the first convolution's multiply-adds
    assert (config.encoder, config.threads, BASE.config.threads) == ("nature", threads, 1)
    assert title(variant) == "DQN, CartPole-v1, 1 environment, an update every 4 steps, batch 32, nature, cpu"
    sac = BASE._replace(algo="sac", encoder="minatar", net_arch=(256,), num_envs=2)
    assert title(sac) == "SAC, CartPole-v1, 2 environments, 2 updates a vector step, batch 128, minatar-256, cpu"
    assert sac.config.train_freq == 1


def test_encoders_are_those_of_the_environments() -> None:
    assert check_envs(CompareConfig(algo=("dqn",))) == {"dqn": "none"}
    assert check_envs(CompareConfig(algo=("dqn",), env="images/Clock-v0")) == {"dqn": "minatar"}
    with pytest.raises(EnvError, match=r"^sac needs a Box action space"):
        check_envs(CompareConfig(algo=("dqn", "sac"), env="images/Clock-v0"))


def test_a_round_of_the_fused_loop_is_train_freq_steps_of_every_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = list[tuple[Any, ...]]()

    def call(name: str, *arguments: Any) -> list[Any]:
        ran.extend([arguments] if name == "run" else [])
        return [EnvSpec((10, 10, 4), "uint8", True, 6)] if name == "get_spec" else []

    monkeypatch.setattr("rlpair.compare.variant.make_workers", lambda config: SimpleNamespace(call=call))
    built = FusedVariant(BASE._replace(mode="seeds", num_seeds=2, encoder="minatar", num_envs=3))
    assert built.env_steps == 12 * built.round == 12 * ran[-1][1]  # four steps of three
    built.advance(built.env_steps + 13)
    assert ran[-1][1] - ran[-1][0] == 2  # the least that reaches it
    built.rounds_per_second = 5.0
    measured = built.measure(2.0)
    assert ran[-1][1] - ran[-1][0] == 10
    assert measured["env_steps"] == 12 * ran[-1][1]
    rate, updates = (measured[f"{x}_per_second"] for x in ("env_steps", "updates"))
    assert rate
    assert updates
    assert rate / updates == pytest.approx(4)


# Arithmetic, by hand


def test_flop_of_an_update() -> None:
    spec, box = EnvSpec((3,), "float32", True, 2), EnvSpec((3,), "float32", False, 1, (-1.0,), (1.0,))
    small: dict[str, Any] = {"batch_size": 2, "net_arch": (4,), "buffer_size": 10}
    assert update_flop(DQNConfig(**small), spec) == 272  # 3 * 80 - 48 trained, 80 of the target
    assert update_flop(DQNConfig(**small, double_q=True), spec) == 352
    assert update_flop(SACConfig(**small), box) == 1104  # two critics of 176 + 80 + 160, an actor of 192 + 80


def test_the_peak_is_the_fastest_product_on_as_many_cores() -> None:
    slow, fast = result(BASE, [1.0]), result(BASE._replace(backend="jax", mode="host"), [2.0])
    fast.repeats[0]["peak_flop_per_second"] = 400.0
    more = result(BASE._replace(mode="compiled"), [2.0], cores=2)
    gpu = result(BASE._replace(device="cuda"), [2.0])
    gpu.repeats[0]["peak_flop_per_second"] = 4000.0
    some = [slow, fast, more, gpu]
    assert [share_of_peak(r, some) for r in some] == [0.05, 0.05, 0.2, 0.005]


def test_a_sentence_says_what_won_by_how_much_and_what_limits_it() -> None:
    of_eager = {"env_us": 100.0, "act_us": 50.0, "sample_us": 50.0, "update_us": 800.0}
    of_host = {"env_us": 150.0, "act_us": 20.0, "sample_us": 20.0, "update_us": 10.0}
    jax = BASE._replace(backend="jax")
    results = [
        result(BASE, [900.0, 1000.0, 1050.0], **of_eager),
        result(jax._replace(mode="host"), [3000.0, 2500.0, 3600.0], **of_host),
        result(jax._replace(mode="seeds", num_seeds=4), [8000.0] * 3, cores=2),
    ]
    limits = (
        "jax host is limited by environment (75% of a step). torch eager is limited by "
        "dispatch (the update, 80% of a step, is at 20% of the matrix-product peak). 4 seeds on 2 cores sum up to "
        "8,000 env steps/s."
    )
    assert verdicts(results) == [
        "DQN, CartPole-v1, 1 environment, batch 128, 120-84, cpu: jax host is the fastest with 3,000 env steps/s, "
        "3.00 (2.50 to 3.43) times torch eager (lowest to highest of 3 turns). " + limits
    ]


def test_limits_are_shares_of_an_env_step() -> None:
    image = BASE._replace(encoder="nature", num_envs=2)  # two updates every four vector steps, eight env steps
    parts = {"env_us": 200.0, "act_us": 100.0, "sample_us": 400.0, "update_us": 440.0}  # 100 + 50 + 50 and 110
    assert limit(result(image, [1.0], **parts), [result(image, [1.0])]) == (
        "dispatch (the update, 35% of a step, is at 20% of the matrix-product peak)"
    )
    parts |= {"transfer_us": 800.0}  # of an update: 200 of a step
    assert limit(result(image, [1.0], **parts), [result(image, [1.0])]) == "transfer (39% of a step)"


def sentence(*results: Result) -> str:
    """The verdict on one workload, up to what limits each."""
    (text,) = verdicts(results)
    return text.removeprefix("DQN, CartPole-v1, 1 environment, batch 128, 120-84, cpu: ").split(" is limited by")[0]


HOST, FUSED = (BASE._replace(backend="jax", mode=mode) for mode in ("host", "fused"))


def test_what_overlaps_cannot_be_told_apart() -> None:
    near = result(HOST, [1000.0, 1300.0, 1100.0]), result(FUSED, [1250.0, 1400.0, 1200.0])
    assert sentence(*near, result(BASE, [500.0, 625.0, 600.0])) == (
        "the fastest cannot be told apart: jax fused 1,250, jax host 1,100 env steps/s, and their ranges over 3 turns "
        "overlap. jax fused is 2.08 (2.00 to 2.50) times torch eager (lowest to highest of 3 turns). jax fused"
    )
    assert sentence(result(HOST, [100.0, 100.0]), result(FUSED, [100.0, 120.0])).startswith(
        "the fastest cannot be told"
    )
    assert sentence(result(HOST, [100.0, 99.0]), result(FUSED, [101.0, 120.0])).startswith("jax fused is the fastest")


def test_no_verdict_from_16_to_445() -> None:
    assert sentence(result(BASE, [45.0, 16.0, 50.0]), result(FUSED, [16.0, 445.0, 430.0])) == (
        "the fastest cannot be told apart: jax fused 430, torch eager 45 env steps/s, and their ranges over 3 turns "
        "overlap. torch eager is unsteady: its fastest turn is 3.1 times its slowest. "
        "jax fused is unsteady: its fastest turn is 27.8 times its slowest. jax fused"
    )


def test_one_turn_is_said_to_be_one() -> None:
    assert sentence(result(HOST, [300.0]), result(BASE, [100.0])) == (
        "jax host is the fastest with 300 env steps/s, 3.00 times torch eager; each was measured once, which says "
        "nothing of its spread. jax host"
    )


def test_an_unsteady_variant_is_marked_everywhere() -> None:
    steady, shaky = result(HOST, [100.0, 150.0]), result(BASE, [10.0, 15.1])._replace(set_aside=[{}, {}])
    assert (steady.steady, shaky.steady) == (True, False)
    assert (shaky.record()["spread"], shaky.record()["steady"]) == (1.51, False)
    assert [speed(r, []) for r in (steady, shaky)] == ["125 (100 to 150)", "13 (10 to 15) !"]
    assert "torch eager is unsteady: its fastest turn is 1.5 times its slowest, also after 2 more turns." in sentence(
        steady, shaky
    )


def test_what_was_not_checked_is_said() -> None:
    unchecked = result(BASE, [1.0, 1.0])._replace(greedy_return=None)
    assert (unchecked.unchecked, unchecked.sound, greedy_return(unchecked, [])) == (True, True, "unchecked")
    assert "There was no time to check that these learn: torch eager." in sentence(unchecked)
    elsewhere = unchecked._replace(variant=BASE._replace(env="Other-v0"))
    assert (elsewhere.unchecked, greedy_return(elsewhere, [])) == (False, "")


def test_ranges_overlap_where_neither_is_above_the_other() -> None:
    low, middle, high = (result(BASE, rates) for rates in ([1.0, 2.0], [2.0, 3.0], [2.5, 4.0]))
    pairs = [(low, middle), (middle, high), (low, high)]
    assert [overlap(a, b) for a, b in pairs] == [overlap(b, a) for a, b in pairs] == [True, True, False]


def test_parts_are_of_one_environments_step() -> None:
    """800 us are a vector step of eight: one environment's hundred are less than its update's 200."""
    of_eight = result(BASE._replace(num_envs=8), [3_000.0], env_us=800.0, update_us=200.0)
    wanted = "dispatch (the update, 67% of a step, is at 20% of the matrix-product peak)"
    assert limit(of_eight, [of_eight]) == wanted


def test_long_updates_are_limited_by_products_and_short_ones_of_a_fused_loop_by_small_operations() -> None:
    fused = BASE._replace(backend="jax", mode="fused")
    told = [limit(r, [r]) for r in (result(BASE, [400.0], update_us=2_400.0), result(fused, [5_000.0]))]
    assert told == [
        "matrix products (the update, 100% of a step, is at 20% of their peak)",
        "small operations (the update, 100% of a step, is at 20% of the matrix-product peak)",
    ]


def test_a_loop_that_does_not_learn_is_not_sound() -> None:
    assert not result(BASE, [1.0])._replace(greedy_return=99.9).sound
    assert result(BASE, [1.0])._replace(greedy_return=100.0).sound
    assert result(BASE._replace(env="Other-v0"), [1.0])._replace(greedy_return=None).sound


def test_scaling_has_a_line_for_each_variant_over_what_differs_in_that_alone() -> None:
    variants = [
        BASE,
        BASE._replace(num_envs=8),
        BASE._replace(num_envs=8, batch_size=64),
        BASE._replace(mode="compiled"),
    ]
    lines = line_values(BASE, "num_envs", [result(variant, [1.0]) for variant in variants])
    assert {name: [r.variant.num_envs for r in points] for name, points in lines.items()} == {"torch eager": [1, 8]}


def test_microseconds_counts_calls() -> None:
    calls: list[int] = []
    assert microseconds(calls.append, 0.01) < 100
    assert calls[0] == 0
    assert len(calls) > 100
