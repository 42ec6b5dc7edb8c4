"""Results of a benchmark that nobody trained, for what is made of them."""

from typing import Any, cast

from rlpair.benchmark.results import FORMAT, Results, RunResult, Session

VERSIONS = {"python": "3.11.7", "rlpair": "0.1.0"}


def run_of(env: str, backend: str, seed: int, returns: list[float], **changes: Any) -> RunResult:
    """A training that ended with these returns."""
    run: Any = {
        "env": env,
        "algo": "sac" if env.startswith(("Pendulum", "Hopper")) else "dqn",
        "backend": backend,
        "seed": seed,
        "env_steps": 50_000,
        "returns": returns,
        "lengths": [1] * len(returns),
        "curve": [[25_000, returns[0] / 2], [50_000, returns[0]]],
        "seconds": 1800.0,
        "settings": {"seed": seed, "algo.net_arch": [8]},
        "versions": VERSIONS,
    }
    return RunResult(**cast(RunResult, run | changes))


def results_of(*runs: RunResult) -> Results:
    """The results of one call of the command."""
    session = Session(
        command="python -m rlpair.benchmark suite=classic",
        date="2026-01-02 03:04",
        machine={"processor": "A processor", "cores": 2, "system": "Linux"},
        versions=VERSIONS,
        hours=1.5,
        finished=len(runs),
    )
    return Results(format=FORMAT, sessions=[session], runs=list(runs))
