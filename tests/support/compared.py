"""Results of compare, made up."""

from rlpair.compare.result import Result
from rlpair.compare.variant import Variant

CPU = {"cpu": ("torch", "jax")}
BASE = Variant("dqn", "CartPole-v1", "torch", "eager", "cpu", 1, 128, (120, 84), 1)


def result(variant: Variant, rates: list[float], cores: int = 1, **parts: float) -> Result:
    """Of a variant that had these rates, and such parts of a step in each repeat."""
    repeats: list[dict[str, float | None]] = [
        {"env_steps_per_second": x, "flop_per_second": 20.0, "peak_flop_per_second": 100.0, **parts} for x in rates
    ]
    return Result(variant, cores, None, repeats, 500.0, 1.0, "", [])
