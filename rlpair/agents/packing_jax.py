"""A learner's state as few arrays: what an update costs beside its computation is handing them over and back."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rlpair.algos.learner_jax import LearnerState
from rlpair.algos.optimizers_jax import Tree

LARGE = 2**18  # numbers of an array that stays by itself: to join it takes longer than to hand it over


class Packed(NamedTuple):
    """A LearnerState as few arrays: handing one to a compiled function and back costs about a microsecond each."""

    params: Tree  # apart, since acting needs nothing else of size
    rest: dict[str, jax.Array]  # one vector per dtype
    large: list[jax.Array]


class Packing:
    """From a state to a Packed and back, both to be traced."""

    def __init__(self, like: LearnerState) -> None:
        self._leaves, self._structure = jax.tree.flatten(jax.eval_shape(lambda: like._replace(params={})))

    def pack(self, state: LearnerState) -> Packed:
        """Join what is of one dtype, but for what is large."""
        leaves = jax.tree.leaves(state._replace(params={}))
        small = [leaf for leaf in leaves if leaf.size <= LARGE]
        dtypes = {str(leaf.dtype) for leaf in small}
        joined = {name: jnp.concatenate([x.ravel() for x in small if str(x.dtype) == name]) for name in dtypes}
        return Packed(state.params, joined, [leaf for leaf in leaves if leaf.size > LARGE])

    def unpack(self, packed: Packed) -> LearnerState:
        """Undo ``pack``."""
        begin, large, leaves = dict.fromkeys(packed.rest, 0), iter(packed.large), []
        for like in self._leaves:
            name = str(like.dtype)
            if like.size > LARGE:
                leaves.append(next(large))
                continue
            leaves.append(packed.rest[name][begin[name] : begin[name] + like.size].reshape(like.shape))
            begin[name] += like.size
        state: LearnerState = jax.tree.unflatten(self._structure, leaves)
        return state._replace(params=packed.params)
