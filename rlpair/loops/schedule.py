"""When a record is due: decided here for both loops."""

from typing import NamedTuple

from rlpair.config import LoopConfig


class Due(NamedTuple):
    """The records that a loop owes where it stands, in the order in which it gives them."""

    log: bool
    evaluation: bool
    checkpoint: bool  # not at the end, where a loop always gives one


class Schedule:
    """What a loop that takes ``stride`` env steps at once owes after which of its strides.

    What has a period of P env steps is due after each stride in which a multiple of P was reached: once, however many
    of them were. A period of 0 is never over.
    """

    def __init__(self, config: LoopConfig, stride: int) -> None:
        """Keep ``stride``: num_envs of a loop that stops after every vector step, else the steps of a round."""
        self._config, self._stride = config, stride

    def due(self, env_steps: int) -> Due:
        """Return what is due at the end of the stride that brought the loop to ``env_steps``."""
        config = self._config
        return Due(
            log=self._reached(config.log_every, env_steps),
            evaluation=self._reached(config.eval_every, env_steps),
            checkpoint=self._reached(config.checkpoint_every, env_steps) and env_steps < config.total_timesteps,
        )

    def next_stop(self, env_steps: int) -> int:
        """Return the end of the first stride after ``env_steps`` at which something is due, or all is done."""
        config = self._config
        periods = [every for every in (config.log_every, config.eval_every, config.checkpoint_every) if every]
        targets = [(env_steps // every + 1) * every for every in periods]
        return -(-min(*targets, config.total_timesteps) // self._stride) * self._stride

    def _reached(self, every: int, env_steps: int) -> bool:
        return every > 0 and env_steps % every < self._stride
