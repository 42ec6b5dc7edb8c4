"""What ``rlpair.tune`` is asked for."""

from dataclasses import dataclass

from rlpair.errors import ConfigError

MOST = {"trials": 100_000, "seeds": 1_000, "jobs": 1_000, "threads": 1_000}


@dataclass(frozen=True)
class TuneConfig:
    """Settings of ``python -m rlpair.tune``, beside those of train."""

    trials: int = 30
    """Settings that are tried, those of earlier calls with the same ``out`` among them; the preset's first."""
    seeds: int = 3
    """Agents of each trial, of seed 1000, 1001, ...; in mode=fused all at once, else one after the other."""
    jobs: int | None = None
    """Trials at a time; null: as many as there are cores for."""
    threads: int = 1
    """Of a CPU, for each training."""
    out: str = "runs/tune"
    """Folder for the trials and what comes of them; the same command goes on there."""

    def __post_init__(self) -> None:
        for key, most in MOST.items():
            value = getattr(self, key)
            if value is not None and not 1 <= value <= most:
                raise ConfigError(key, value, f"a whole number from 1 to {most:,}")
