"""Do the tests see changes that nobody thought of? Mutates the learners, replays and loops by a tool, and runs them.

    python scripts/mutate_all.py [--share S --seed N] [--only WORD] [--shard I/N]     (needs pip install cosmic-ray)

The mutants are cosmic-ray's, and deletions, which it does not make: of a statement, of a keyword argument. Those that
change nothing but an annotation or a docstring are left out. Each runs in a copy of the tree, in a process forked from
one that has imported the frameworks. Prints a line for each. What was found last: docs/mutants.md.
"""

import argparse
import ast
import random
import re
from collections.abc import Iterator
from typing import Any

from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from forked import ROOT, Mutant, found, run

LEARNER = "reference equations act exploring hyperparameters parity noise crossing model_state"
TESTS = {  # by file, or the beginning of its name: the tests that may see it, those that are quick first
    "replay/buffer.py": "replay seam seam_state loop_laws loop_model checkpoint spoiled_files",
    "replay/buffer_jax.py": "seam_jax fused_draws",
    "replay/frames.py": "frames frames_bytes replay",
    "replay/frames_jax.py": "frames_jax",
    "replay/samplers.py": "replay seam loop_laws",
    "replay/samplers_jax.py": "seam_jax fused_draws fused_model",
    "replay/span.py": "seam seam_jax replay",
    "replay/storage.py": "replay seam_state loop_laws loop_model checkpoint memory spoiled_files",
    "replay/storage_jax.py": "seam_jax fused_draws fused_model spoiled_fused",
    "loops/host.py": "loop_laws loop_records loop loop_model training evaluate_agent checkpoint failing_runs",
    "loops/rows.py": "rows loop_model",
    "loops/schedule.py": "schedule loop_model",
    "loops/fused.py": "fused_records fused_ahead fused_workers fused_host_model fused_runs fused resume",
    "loops/fused_jax.py": "fused_draws fused_model fused_host_model fused fused_records seam_jax",
    "loops/seeds_jax.py": "fused_draws fused_ahead fused_runs fused fused_workers memory resume devices",
    "algos/augment": "sac_images noise",
    "algos/base.py": f"config algos_by_name {LEARNER} agents",
    "algos/registry.py": f"algos_by_name config agents {LEARNER}",
    "algos/dqn": f"{LEARNER} config learning",
    "algos/sac": f"{LEARNER} config sac_images devices",
    "algos/compile_torch.py": "clever compile",
    "algos/cuda_graph_torch.py": "clever compile devices",
    "algos/optimizers": f"{LEARNER} clever devices compile",
    "algos/learner_torch.py": f"{LEARNER} checkpoint generators devices compile",
    "nets/arch.py": f"arch encoders {LEARNER}",
    "nets/convolution_jax.py": "convolution_jax convolutions",
    "nets/encoders.py": "encoders convolutions arch",
    "nets/networks": f"arch {LEARNER} convolutions encoders agents env_spec",
    "nets/onednn_torch.py": f"clever compile {LEARNER}",
    "nets/parameters_torch.py": f"{LEARNER} clever agents compile",
    "": f"{LEARNER} checkpoint generators devices",
}
# Of the eleven operators that cosmic-ray puts in the place of one, those that are nearest to a slip of the pen.
OPERATORS = re.compile(
    r"""core/(?:ReplaceBinaryOperator_(?:Add_Sub|Sub_Add|Add_Mul|Mul_Div|Mul_Add|Div_Mul|FloorDiv_Mul|FloorDiv_Div
    |Mod_FloorDiv|Pow_Mul|BitOr_BitAnd|BitAnd_BitOr)|ReplaceComparisonOperator_(?:Eq_NotEq|NotEq_Eq|Lt_LtE|Lt_GtE
    |LtE_Lt|LtE_Gt|Gt_GtE|Gt_LtE|GtE_Gt|GtE_Lt|Is_IsNot|IsNot_Is)|ReplaceUnaryOperator_(?:USub_UAdd|Delete_\w+)
    |AddNot|Replace[A-Z][a-z]+With\w+|ExceptionReplacer|NumberReplacer|RemoveDecorator|ZeroIterationForLoop)""",
    re.VERBOSE,
)


class Meaning(ast.NodeTransformer):
    """Takes away what the program does not depend on: annotations and docstrings."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:  # fields of a class keep theirs: a name alone
        return ast.AnnAssign(node.target, ast.Name("Any"), node.value and self.visit(node.value), node.simple)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return ast.Pass() if isinstance(node.value, ast.Constant) else self.generic_visit(node)


def meaning(text: str) -> str:
    """What the program does, as a text; "" where it is none."""
    try:
        return ast.dump(Meaning().visit(ast.parse(text)))
    except SyntaxError:
        return ""


def replaced(text: str) -> Iterator[tuple[str, str]]:
    """cosmic-ray's mutants: operator and text."""
    for name in filter(OPERATORS.fullmatch, plugins.operator_names()):
        operator = plugins.get_operator(name)()
        count = sum(len(list(operator.mutation_positions(node))) for node in ast_nodes(get_ast(text)))
        for number in range(count):
            yield name.removeprefix("core/"), mutate_code(text, operator, number) or text


def deleted(text: str) -> Iterator[tuple[str, str]]:
    """Without a statement that has an effect, without a keyword argument."""
    lines = text.splitlines(keepends=True)
    begins = [0, *(sum(map(len, lines[: n + 1])) for n in range(len(lines)))]

    def span(node: Any) -> tuple[int, int]:
        first, last = lines[node.lineno - 1].encode(), lines[node.end_lineno - 1].encode()
        start = begins[node.lineno - 1] + len(first[: node.col_offset].decode())
        return start, begins[node.end_lineno - 1] + len(last[: node.end_col_offset].decode())

    for node in ast.walk(ast.parse(text)):
        stores = isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple)
        calls = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        if stores or calls or isinstance(node, ast.AugAssign | ast.Raise):
            start, end = span(node)
            yield "DeleteStatement", f"{text[:start]}pass{text[end:]}"
        for keyword in node.keywords if isinstance(node, ast.Call) else ():
            start, end = span(keyword)
            yield "DeleteKeyword", text[:start] + re.sub(r"^\s*,\s*", "", text[end:])


def mutants_of(file: str) -> list[Mutant]:
    """All of a file, each meaning once."""
    text = (ROOT / "rlpair" / file).read_text()
    found, seen = [], {meaning(text), ""}
    for operator, mutated in (*replaced(text), *deleted(text)):
        if (what := meaning(mutated)) in seen:
            continue
        seen.add(what)
        pairs = zip(text.splitlines(), mutated.splitlines(), strict=False)
        line, (before, after) = next((n, pair) for n, pair in enumerate(pairs, 1) if pair[0] != pair[1])
        found.append(Mutant(file, operator, mutated, line, before.strip(), after.strip()))
    return found


def files() -> list[str]:
    """Those that are mutated."""
    paths = [path for room in ("algos", "nets", "replay", "loops") for path in (ROOT / "rlpair" / room).glob("*.py")]
    return sorted(
        path.relative_to(ROOT / "rlpair").as_posix()
        for path in paths
        if path.name not in ("__init__.py", "training.py")
    )


def tests_of(file: str) -> list[str]:
    """The test files that may kill its mutants."""
    names = next(tests for beginning, tests in TESTS.items() if file.startswith(beginning))
    return [found(f"test_{name}.py") for name in names.split()]


def draw(only: str, share: float, seed: int) -> list[Mutant]:
    """A share of each file's mutants, twelve at least, in random order."""
    drawn: list[Mutant] = []
    for file in filter(lambda file: only in file, files()):
        mutants = mutants_of(file)
        number = max(min(12, len(mutants)), round(share * len(mutants)))
        drawn += random.Random(f"{seed} {file}").sample(mutants, number)
        print(f"# {file}: {len(mutants)} mutants, {number} drawn", flush=True)
    return random.Random(seed).sample(drawn, len(drawn))


def main() -> None:
    """Draw, run, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="WORD", help="those whose file has this in its name")
    parser.add_argument("--share", type=float, default=1.0, metavar="S", help="of each file's mutants")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="the I-th of N parts")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.shard.split("/"))
    mutants = draw(arguments.only, arguments.share, arguments.seed)[part - 1 :: parts]
    print(f"# {dict(run(mutants, lambda mutant: tests_of(mutant.file)))}")


if __name__ == "__main__":
    main()
