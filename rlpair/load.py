"""load_agent: from a checkpoint to an agent."""

from pathlib import Path

from rlpair.agents.base import BaseAgent
from rlpair.errors import CheckpointError, refuse
from rlpair.make import make_agent


def load_agent(path: str | Path, backend: str | None = None, device: str = "auto") -> BaseAgent:
    """Load an agent from a checkpoint, or from the last one of a run_dir, into its own backend or the other.

    Raises:
        CheckpointError: missing, corrupt, truncated, foreign, or of another shape than it says.
        ConfigError: a backend or a device that there is not.
    """
    from rlpair.runs.loading import Checkpoint  # what checks a file is wanted where one is read

    saved = Checkpoint(path)
    saved.check_networks(saved.config)
    try:
        agent = make_agent(
            saved.config.name,
            backend=backend or saved.meta["backend"],
            env=saved.spec,
            config=saved.config,
            seed=saved.meta["seed"],
            device=device,
            dtype=saved.meta["dtype"],
        )
    except MemoryError:
        refuse(saved.folder, "its agent does not fit into memory")
    state = saved.state(agent.check_fit)
    try:
        agent.load_state_dict(state)
    except CheckpointError as error:
        refuse(saved.folder, str(error))
    return agent
