"""A search on disk: the journal of its trials, and what is made of it, a preset and a table."""

import csv
import io
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from rlpair.disk import files
from rlpair.disk.out import hold_out
from rlpair.errors import ConfigError, name_and_text, reason
from rlpair.runs.saved_config import flat
from rlpair.system.machine import versions
from rlpair.tune.plan import EVALUATIONS, Plan
from rlpair.tune.search import CAUSE, SETTINGS, ended
from rlpair.tune.space import outside, point_of

JOURNAL, PRESET, TRIALS = "study.journal", "preset.yaml", "trials.csv"
STARTUP = 5  # trials before any is given up
SEARCH = "search"  # attribute of the study: what it searches


def open_study(plan: Plan, stack: ExitStack) -> optuna.Study:
    """Open the search in a folder, or begin it there, with the preset's settings as the first that are tried.

    ``stack`` is given what lets go of the folder.

    Raises:
        ConfigError: the folder cannot be written to, another process does, or it has another search.
    """
    out = hold_out(plan.config.out, stack)
    try:
        if files.is_there(out / JOURNAL):
            files.open_to_read(out / JOURNAL).close()  # is no link, nor anything else that Optuna would follow
    except OSError as error:
        raise ConfigError("out", str(out), f"a folder that can be written to: {reason(error)}") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = _open_journal(str(out / JOURNAL))
    except Exception as error:  # of Optuna, which takes what stands there for its own
        allowed = f"one whose {JOURNAL} is this command's: {name_and_text(error)}"
        raise ConfigError("out", str(out), allowed) from error
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))  # so that a later call draws others
    if SEARCH not in study.user_attrs:
        study.set_user_attr(SEARCH, searched(plan))
        point = point_of(plan.space, preset_of(plan))
        if keys := outside(plan.space, point):
            theirs = ", ".join(f"{key}={point[key]}" for key in keys)
            print(f"rlpair: the preset is not tried first, since the search leaves out its {theirs}", file=sys.stderr)
        else:
            study.enqueue_trial(point)
    elif study.user_attrs[SEARCH] != searched(plan):
        raise ConfigError("out", str(out), "one that has no other search; this one is of other settings")
    return study


def _open_journal(path: str) -> optuna.Study:
    """Open the journal, or begin it. Raises whatever Optuna does where it is none."""
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path))),
        study_name=SEARCH,
        load_if_exists=True,
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(STARTUP, n_warmup_steps=EVALUATIONS // 3),
    )


def searched(plan: Plan) -> dict[str, Any]:
    """Return all that makes two trials' scores comparable, as JSON has it."""
    space = {key: repr(distribution) for key, distribution in plan.space.items()}
    return {"fixed": dict(plan.fixed), "space": space, "seeds": plan.config.seeds}


def preset_of(plan: Plan) -> dict[str, Any]:
    """Return the settings of the searched keys that train has without being told."""
    values = flat(plan.base.to_dict())
    return {key: values[key] for key in plan.space}


def best_of(study: optuna.Study) -> FrozenTrial | None:
    """Return the trial of the highest score; None where no trial has one."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)


def write_found(study: optuna.Study, plan: Plan, command: str) -> dict[str, str]:
    """Write all that is known so far, the table and, once a trial has a score, the preset. Returns its settings."""
    _write_trials(study, plan)
    best = best_of(study)
    return {} if best is None else _write_preset(study, plan, best, command)


def _write_preset(study: optuna.Study, plan: Plan, best: FrozenTrial, command: str) -> dict[str, str]:
    """Write the best settings, with where they come from. Returns them by dotted key, as they are written."""
    algo, env = plan.base.algo.name, plan.base.env
    known = ("algo", "backend", "env", "mode", "device")
    settings = {key: text for key, text in plan.fixed if key not in known} | best.user_attrs[SETTINGS]
    count, seeds = len(ended(study)), plan.config.seeds
    source = f"{command}: trial {best.number} of {count}, {best.value:.1f} over {seeds} seeds"
    how = {"backend": plan.base.backend, "mode": plan.base.mode}  # it was found in
    document = {"algo": algo, "env": env, **how, "settings": settings, "source": source, "versions": versions()}
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1_000)
    files.write(Path(plan.config.out, PRESET), text.encode())
    return settings


def _write_trials(study: optuna.Study, plan: Plan) -> None:
    """Write a line for each trial: its number, how it ended, its score and its settings."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["trial", "state", "return", *plan.space])
    for trial in study.get_trials(deepcopy=False):
        drawn = trial.user_attrs.get(SETTINGS, {})
        state = CAUSE if CAUSE in trial.user_attrs else trial.state.name.lower()
        table.writerow([trial.number, state, trial.value, *(drawn.get(key, "") for key in plan.space)])
    files.write(Path(plan.config.out, TRIALS), text.getvalue().encode())
