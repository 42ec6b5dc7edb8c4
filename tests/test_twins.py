"""Each pair of ``*_torch.py`` and ``*_jax.py`` offers the same names, whose functions take the same arguments.

Where a pair differs it stands here: what torch alone has, what jax alone has, and whose arguments differ.
"""

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[1] / "rlpair"
PAIRS = sorted(
    path.relative_to(PACKAGE).as_posix().removesuffix("_torch.py")
    for path in PACKAGE.rglob("*_torch.py")
    if path.with_name(path.name.replace("_torch.py", "_jax.py")).exists()
)


class Difference(NamedTuple):
    """Names, with blanks between."""

    torch: str = ""
    jax: str = ""
    arguments: str = ""  # of both, with other arguments


DIFFERENCES = {
    # JAX's state is a tree, which others jit and vmap; torch's are tensors, whose generator's bytes torch never checks.
    "agents/agent": Difference(
        "TorchAgent check_mersenne_twister each named_tensors tensor_of",
        "JaxAgent ONE_THREAD cast_floats hyper_of make_state named_pieces named_shapes named_state "
        "one_thread precision_of tree_of with_names",
    ),
    "agents/runtime": Difference("count", "PREALLOCATE dispatch_ahead"),
    # A generator, or a key.
    "algos/augment": Difference(arguments="random_offsets"),
    # A class of learners with a state, or a function that returns pure ones.
    "algos/dqn": Difference("DQN", arguments="make_learner"),
    "algos/sac": Difference("SAC", arguments="make_learner"),
    # Torch's loop over updates is its agent's; its branch is of its own, eager and compiled; the way to the box is of
    # its class.
    "algos/learner": Difference("Count Due tensors where_due", "LearnerState box from_box to_box update_many"),
    # Torch's step in place on a vector, JAX's through optax on a tree.
    "algos/optimizers": Difference(
        "HAS_KERNEL Moments SLOTS adam adam_by_formula adam_by_kernel empty_moments rmsprop sgd",
        "Tree gradient_step scale_by_adam",
    ),
    # Torch has modules, in layouts of its own, functions that are made once, and one precision for the whole process.
    "nets/networks": Difference(
        "Compute MODULES Network Step file_layout modules_of numbered steps_of",
        "dense",
        "apply apply_each branches conv max_pool residual run",
    ),
}


def surface(source: str) -> dict[str, list[str] | None]:
    """What a module defines without a leading underscore; of a function its arguments."""
    found: dict[str, list[str] | None] = {}
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef(name=name, args=args):
                found[name] = [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
            case ast.ClassDef(name=name):
                found[name] = None
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = None
    return {name: arguments for name, arguments in found.items() if not name.startswith("_")}


def difference(torch: str, jax: str) -> list[set[str]]:
    """How two sources differ: what each has alone, and what has other arguments."""
    a, b = surface(torch), surface(jax)
    return [a.keys() - b.keys(), b.keys() - a.keys(), {name for name in a.keys() & b.keys() if a[name] != b[name]}]


def test_there_are_twins() -> None:
    assert {"agents/agent", "algos/dqn", "algos/learner", "algos/sac", "nets/networks"} <= set(PAIRS)
    assert set(DIFFERENCES) <= set(PAIRS)


@pytest.mark.parametrize("pair", PAIRS)
def test_twins_offer_the_same(pair: str) -> None:
    sources = [(PACKAGE / f"{pair}_{backend}.py").read_text() for backend in ("torch", "jax")]
    assert difference(*sources) == [set(names.split()) for names in DIFFERENCES.get(pair, Difference())]


def test_what_differs_is_found() -> None:
    torch = "A = 1\nB: int = 2\n_C = 3\nimport x\nclass D: ...\ndef f(a, *, b): ...\ndef g(a): ..."
    assert difference(torch, "A = 2\ndef f(a, b): ...\ndef g(a, b): ...\nclass E: ...") == [{"B", "D"}, {"E"}, {"g"}]
