"""python -m rlpair.tune: looks for settings that learn an environment better, and writes a preset of them."""

import importlib.util
import shlex
import signal
import sys
from contextlib import ExitStack

from rlpair.advice import install_command
from rlpair.cli.command import Command
from rlpair.errors import MissingExtraError
from rlpair.make import backend_module, open_playable
from rlpair.runs.processes import places_of
from rlpair.runs.saved_config import Values
from rlpair.settings.overrides import Pair
from rlpair.settings.schema import keys_of
from rlpair.system.interrupts import passing_on
from rlpair.system.workers import usable_cores
from rlpair.tune.config import TuneConfig


class Tune:
    """The command, and the settings of train among its arguments."""

    def __init__(self) -> None:
        self._pairs: list[Pair] = []

    def prepare(self, pairs: list[Pair]) -> list[Pair]:
        """Keep the settings of train for ``task``, and return the others, which are this command's."""
        own = keys_of(TuneConfig)
        self._pairs = [pair for pair in pairs if pair[0] not in own]
        return [pair for pair in pairs if pair[0] in own]

    def task(self, values: Values, given: set[str]) -> int:
        """Search, and write what was found. Returns 0, 1 without any score, 128 and the signal that stopped it."""
        if importlib.util.find_spec("optuna") is None:
            raise MissingExtraError(f"tune needs optuna, which is not installed: {install_command('tune')}")
        from rlpair.tune.plan import plan_of
        from rlpair.tune.search import Search
        from rlpair.tune.study import best_of, open_study, write_found

        plan = plan_of(TuneConfig(**values), self._pairs)
        backend_module("agents.agent", plan.base.backend)
        open_playable(plan.base.env, plan.base.env_kwargs).close()
        config = plan.config
        with ExitStack() as stack:
            study = open_study(plan, stack)
            places = places_of(len(usable_cores()), config.jobs, config.threads)

            def tell(line: str) -> None:
                write_found(study, plan, command())  # now, for a kill leaves no other moment
                print(f"rlpair: {line}", file=sys.stderr, flush=True)

            search = Search(study, plan, places, tell)
            with passing_on(search.stop):
                search.run()
            settings = write_found(study, plan, command())
            if best := best_of(study):
                base = {"algo": plan.base.algo.name, "backend": plan.base.backend, "env": plan.base.env}
                mode = {"mode": "fused"} if plan.base.mode == "fused" else {}
                train = [f"{key}={text}" for key, text in (base | mode | settings).items()]
                print(f"best: {best.value:.1f}, trial {best.number}; all in {config.out}")
                print(f"python -m rlpair.train {shlex.join(train)}")
        if search.stopped_by:
            name = signal.Signals(search.stopped_by).name
            print(f"stopped by {name}: {len(search.ended)} of {config.trials} trials are done; go on with: {command()}")
            return 128 + search.stopped_by
        if best is None:
            print("no trial has a score")
        return int(best is None)


def command() -> str:
    """Return what was called, for a shell."""
    return f"python -m rlpair.tune {shlex.join(sys.argv[1:])}".strip()


def main() -> None:
    """Run the command; exit with its code."""
    this = Tune()
    after = "All keys of rlpair train too; of several values the best are looked for: 'algo.tau=interval(0.01,0.1)'."
    sys.exit(Command("tune", TuneConfig, this.task, prepare=this.prepare, after=after).main())


if __name__ == "__main__":
    main()
