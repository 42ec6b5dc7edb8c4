"""Whole rows of transitions, where environments do not all step at once."""

from collections import deque
from typing import Any

import numpy as np

from rlpair.types import Transition

Row = tuple[Transition, np.ndarray]  # a transition of each of N environments, and where one was truncated


class Rows:
    """Puts rows together of steps in which some environments only reset: the k-th row has the k-th step of each.

    A step that one environment made before the others waits for theirs: as many do as it had fewer episodes.
    """

    def __init__(self, num_envs: int) -> None:
        self._waiting: list[deque[tuple[Any, ...]]] = [deque() for _ in range(num_envs)]

    def add(self, transition: Transition, truncated: np.ndarray, happened: np.ndarray | None) -> Row | None:
        """Return the row that is whole now, if one is.

        Args:
            transition: (N, ...).
            truncated: (N,) bool.
            happened: (N,) bool, which of these are transitions; None: all.
        """
        if happened is None and not any(self._waiting):
            return transition, truncated
        fields = transition.obs, transition.action, transition.reward, transition.next_obs, transition.terminated
        for env, waiting in enumerate(self._waiting):
            if happened is None or happened[env]:
                waiting.append(tuple(field[env] for field in (*fields, truncated)))
        if not all(self._waiting):
            return None
        *columns, cut = zip(*(waiting.popleft() for waiting in self._waiting), strict=True)
        return Transition(*map(np.stack, columns)), np.stack(cut)
