"""Advice that depends on how rlpair is installed."""

import json


def install_command(extra: str) -> str:
    """Return the command that installs an extra: from the folder of the sources, where rlpair comes from there."""
    return f"pip install -e '.[{extra}]'" if is_from_sources() else f"pip install 'rlpair[{extra}]'"


def is_from_sources() -> bool:
    """Return whether rlpair was installed from its folder (``pip install -e .``, say), or only stands on the path."""
    from importlib.metadata import PackageNotFoundError, distribution  # which takes long, and is seldom asked for

    try:
        origin = distribution("rlpair").read_text("direct_url.json")  # of PEP 610; an index leaves none
    except PackageNotFoundError:
        return True
    return origin is not None and "dir_info" in json.loads(origin)
