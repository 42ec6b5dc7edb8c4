"""What each clever part of a learner is worth, alone: updates/s with it and without it. Prints a table.

    python scripts/bench_clever.py [--turns 5] [--seconds 2] [--only WORD]

Of each part there are two agents in one process, equal but for it, which take turns, with without with without. In the
table are updates/s, the median over the turns, and the median of what it gains in a turn (least to most). SAC has
256-256, batch 256 and HalfCheetah's sizes; DQN 64-64, batch 64 and CartPole's. Nothing else is to compute meanwhile.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import torch

from rlpair import DQNConfig, EnvSpec, SACConfig, Transition, make_agent
from rlpair.agents import agent_jax
from rlpair.algos import optimizers_torch
from rlpair.make import configure_process
from rlpair.nets import onednn_torch
from rlpair.parity import Case, data, row

CASES: dict[str, tuple[Any, EnvSpec]] = {
    "dqn": (DQNConfig(net_arch=(64, 64), batch_size=64, max_grad_norm=None), EnvSpec((4,), "float32", True, 2)),
    "sac": (SACConfig(), EnvSpec((17,), "float32", False, 6, (-1.0,) * 6, (1.0,) * 6)),
}


def use_torch_optim(agent: Any, tensors: dict[str, list[torch.Tensor]], **options: Any) -> None:
    """Steps by torch.optim's Adam on these tensors of each net."""
    adams = {net: torch.optim.Adam(its, lr=agent.config.learning_rate, **options) for net, its in tensors.items()}

    def descend(net: str, grads: Any) -> None:
        for tensor, grad in zip(tensors[net], grads if isinstance(grads, tuple) else [grads], strict=True):
            tensor.grad = grad
        adams[net].step()

    agent.learner.descend = descend


def use_a_vector_each(agent: Any) -> None:
    """A vector a net, as we have it."""
    use_torch_optim(agent, {net: [agent.learner.params[net].vector] for net in agent.learner.moments}, fused=True)


def use_a_tensor_each(agent: Any) -> None:
    """Gradients, optimizer and targets as lists of tensors, a tensor for each parameter."""
    learner, nets = agent.learner, agent.learner.moments
    tensors = {net: [x.detach().clone().requires_grad_() for x in learner.params[net].tensors] for net in nets}
    use_torch_optim(agent, tensors, foreach=True)

    def value_and_grads(some: Sequence[str], loss_of: Callable[[Any], Any]) -> Any:
        loss, aux = loss_of({net: tensors[net] for net in some})
        found = iter(torch.autograd.grad(loss, [x for net in some for x in tensors[net]]))
        return (loss.detach(), aux), {net: tuple(next(found) for _ in tensors[net]) for net in some}

    learner.value_and_grads = value_and_grads
    for net, its in tensors.items():
        learner.params[net]._leaves = its
    for net, target in learner.target_params.items():
        step = partial(torch._foreach_lerp_, target.tensors, [x.detach() for x in tensors[net]])
        target.vector = SimpleNamespace(lerp_=lambda _, tau, step=step: step(tau))


def unpacked(like: Any) -> Any:
    """In the place of Packing: the state as it is."""
    return SimpleNamespace(pack=lambda state: state, unpack=lambda state: state)


class Part(NamedTuple):
    """A clever part, and how to do without it."""

    name: str
    algo: str
    backend: str
    compile: bool = False
    change: Callable[[Any], None] = lambda agent: None  # of the agent that does without it
    without: Callable[[], Any] = nullcontext  # in which that agent is made, and learns


by_formula = partial(patch.dict, optimizers_torch.OPTIMIZERS, adam=optimizers_torch.adam_by_formula)
no_onednn = partial(patch.object, onednn_torch, "AVAILABLE", False)
no_packing = partial(patch.object, agent_jax, "Packing", unpacked)
PARTS = [
    *(Part("one vector a net", algo, "torch", change=use_a_tensor_each) for algo in CASES),
    *(Part("Adam's kernel, not its formula", algo, "torch", without=by_formula) for algo in CASES),
    *(Part("Adam's kernel, not torch.optim's class", algo, "torch", change=use_a_vector_each) for algo in CASES),
    Part("wide layers by oneDNN", "sac", "torch", True, without=no_onednn),
    *(Part("a packed state", algo, "jax", without=no_packing) for algo in CASES),
]


def rate(agent: Any, batch: Transition, seconds: float) -> float:
    """Updates a second."""
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        agent.update(batch)
        agent.synchronize()
        count += 1
    return count / (time.perf_counter() - start)


def measure(part: Part, turns: int, seconds: float) -> str:
    """A row of the table."""
    config, spec = CASES[part.algo]
    options: dict[str, Any] = {"compile": True} if part.compile else {}
    batch, _ = row(*data(Case(config, spec, 0, config.batch_size), 1), 0)
    agents, contexts = list[Any](), (nullcontext, part.without)
    for has, context in zip((True, False), contexts, strict=True):
        with context():
            agents.append(make_agent(part.algo, backend=part.backend, env=spec, config=config, **options))
            if not has:
                part.change(agents[-1])
            rate(agents[-1], batch, 0.1 * seconds)  # which compiles
    rates = []
    for _, (agent, context) in itertools.product(range(turns), zip(agents, contexts, strict=True)):
        with context():
            rates.append(rate(agent, batch, seconds))
    on, off = rates[::2], rates[1::2]
    gains = [a / b - 1 for a, b in zip(on, off, strict=True)]
    gain = f"{statistics.median(gains):+.1%} ({min(gains):+.1%} to {max(gains):+.1%})"
    return f"| {part.name} | {part.algo} | {statistics.median(on):.0f} | {statistics.median(off):.0f} | {gain} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", default="", help="parts whose name, algorithm or backend has this in it")
    args = parser.parse_args()
    for backend in ("torch", "jax"):
        configure_process(backend, CASES["sac"][0])
    print("| part | algorithm | with | without | it gains |\n|---|---|---|---|---|")
    for part in PARTS:
        if args.only in f"{part.name} {part.algo} {part.backend}":
            print(measure(part, args.turns, args.seconds), flush=True)


if __name__ == "__main__":
    main()
