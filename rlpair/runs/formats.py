"""What the documents in a run's folder may hold: keys, types, ranges, sizes. What is read there passes through here.

Types are strict: no 1.5 and no true is a whole number, no "5" a number. Whatever is off, it is a CheckpointError of one
line that names the file, the key, the value and what is allowed. What tensors may hold is in tensors.py.
"""

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypeVar, get_origin, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from rlpair.errors import ConfigError, refuse, shortened
from rlpair.runs.strict import STRICT, checked, refuse_value
from rlpair.settings.groups import groups_of
from rlpair.settings.schema import TYPES, type_name
from rlpair.types import EnvSpec

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

JSON_BYTES = 2**26  # of agent.json and run.json; the actions of the episodes in progress are the most of it
YAML_BYTES = 2**16  # of config.yaml
LINE_BYTES = 2**22  # of metrics.jsonl; many seeds have a number each in it
RESULT_VALUES = 2**22  # of result.json; every seed has a return and a length of each episode
T = TypeVar("T", bound="DataclassInstance")

# agent.json

FLOAT32_MAX = 3.4028234663852886e38
LARGEST = 1e300  # of a number in a record: there is room for sums and differences
Name = Annotated[str, Field(pattern="^[ -~]{1,100}$")]
Count = Annotated[int, Field(ge=0, lt=2**62)]
Size = Annotated[int, Field(ge=1, lt=2**31)]
Bounds = Annotated[list[Annotated[float, Field(ge=-FLOAT32_MAX, le=FLOAT32_MAX)]], FailFast()]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


Shape = Annotated[list[Size], Field(min_length=1, max_length=3)]


@STRICT
class Spec(TypedDict):
    """An EnvSpec; what one key demands of another is for ``spec_of`` to check."""

    obs_shape: Annotated[list[Size], Field(max_length=32), FailFast()]
    obs_dtype: Literal["float32", "uint8", "bool"]
    discrete: bool
    action_dim: Size
    action_low: Bounds
    action_high: Bounds
    action_start: Annotated[int, Field(ge=-(2**31), lt=2**31)]
    frame_stack: NotRequired[Size]  # earlier versions knew of no stacks
    parts: NotRequired[Annotated[list[Shape], FailFast()]]  # nor of parts


@STRICT
class Header(TypedDict):
    """agent.json."""

    format: str
    format_version: int
    rlpair_version: Name
    algo: str  # and what it can be, the registry says
    backend: Literal["torch", "jax"]
    dtype: Literal["float32", "float64"]
    seed: Annotated[int, Field(ge=0)]
    spec: Spec
    config: dict[str, Any]  # of the algorithm, see ``settings``
    sha256: Annotated[dict[Name, Digest], Field(max_length=10)]


def spec_of(path: Path, spec: Mapping[str, Any]) -> EnvSpec:
    """Return a Header's EnvSpec. Raises CheckpointError for bounds of no action, and a stack that is none."""
    dim, low, high = spec["action_dim"], spec["action_low"], spec["action_high"]
    size = 0 if spec["discrete"] else dim
    for key in ("action_low", "action_high"):
        if len(spec[key]) != size:
            refuse_value(path, f"spec.{key}", spec[key], f"{size} numbers with discrete={spec['discrete']}")
    if not all(a < b for a, b in zip(low, high, strict=True)):
        refuse_value(path, "spec.action_low", low, "below action_high")
    if spec["discrete"] and spec["action_start"] + dim > 2**31:
        refuse_value(path, "spec.action_start", spec["action_start"], f"such that {dim} actions from it on fit int32")
    shape, stack = spec["obs_shape"], spec.get("frame_stack", 1)
    if stack > 1 and (len(shape) < 3 or shape[-1] % stack):
        refuse_value(path, "spec.frame_stack", stack, f"1, or what divides the last axis of an image, here {shape}")
    parts = spec.get("parts", [])
    if parts and [sum(map(math.prod, parts))] != shape:
        refuse_value(path, "spec.parts", parts, f"shapes of parts of {shape}")
    fields: dict[str, Any] = {key: tuple(x) if isinstance(x, list) else x for key, x in spec.items()}
    return EnvSpec(**fields | {"parts": tuple(map(tuple, parts))})


def settings(path: Path, kind: type[T], values: Any, prefix: str = "") -> T:
    """Make a dataclass of settings from values of some or all of its fields. ``prefix``: of the keys in errors.

    Raises:
        CheckpointError: there is no such field, or it does not take the value.
    """
    hints, groups, taken = get_type_hints(kind), groups_of(kind), dict(getattr(kind, "before", {}))
    for key, value in checked(path, dict[str, Any], values).items():
        if key not in kind.__dataclass_fields__:
            refuse(path, f"it has an unknown key, {prefix}{shortened(key)}")
        if key in groups:
            if not isinstance(value, dict):
                refuse_value(path, prefix + key, value, TYPES["dict[str, Any]"])
            taken[key] = settings(path, groups[key], value, f"{prefix}{key}.")
            continue
        try:
            found = _strict(hints[key]).validate_python(value)
        except ValidationError:
            refuse_value(path, prefix + key, value, type_name(hints[key]))
        taken[key] = tuple(found) if isinstance(found, list) else found
    try:
        return kind(**taken)
    except ConfigError as error:
        refuse(path, str(error))


@cache
def _strict(annotation: Any) -> TypeAdapter[Any]:
    """Return the adapter of a setting's type, as a document has it: with lists for tuples."""
    if get_origin(annotation) is tuple:
        annotation = list[annotation.__args__[0]]
    return TypeAdapter(annotation, config=ConfigDict(strict=True, allow_inf_nan=False))


# run.json


def _odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError("an odd number")
    return number


Word = Annotated[int, Field(ge=0, lt=2**128)]


@STRICT
class Words(TypedDict):
    """Of a PCG64."""

    state: Word
    inc: Annotated[Word, AfterValidator(_odd)]


@STRICT
class Generator(TypedDict):
    """The state of numpy's PCG64, as it takes it."""

    bit_generator: Literal["PCG64"]
    state: Words
    has_uint32: Annotated[int, Field(ge=0, le=1)]
    uinteger: Annotated[int, Field(ge=0, lt=2**32)]


@STRICT
class Tape(TypedDict):
    """An episode in progress; whether its actions are any, the environment's action space says."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] | None
    generator: Generator | None
    actions: str
    digest: Digest


@STRICT
class Envs(TypedDict):
    """Environments of the host loop."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    episodes: Annotated[list[Tape | None], FailFast()]


def _counts(ended: list[float]) -> list[float]:
    if not (ended[0] >= 0 and ended[0].is_integer() and ended[2] >= 0):
        raise ValueError("a number of episodes, the sum of their returns, that of their lengths")
    return ended


Ended = Annotated[list[float], Field(min_length=3, max_length=3), AfterValidator(_counts)]
Tag = Annotated[str, Field(pattern="^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$", max_length=200)]


@STRICT
class FusedLoopState(TypedDict):
    """run.json of the fused loop."""

    env_steps: Count
    best_return: float | None
    ended: Ended


@STRICT
class HostLoopState(FusedLoopState):
    """run.json of the host loop; how long its lists are, the number of environments says."""

    warm_up_rng: Generator
    minibatch_rng: Generator
    episode_return: Annotated[list[float], FailFast()]
    episode_length: Annotated[list[Count], FailFast()]
    metrics: Annotated[dict[Tag, float], Field(max_length=1000)]
    envs: Envs


# metrics.jsonl


def _moderate(number: float) -> float:
    if abs(number) > LARGEST:
        raise ValueError(f"a number from -{LARGEST} to {LARGEST}")
    return number


Number = Annotated[float, AfterValidator(_moderate)]


class Line(BaseModel):
    """A record: its tags are extra keys."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False, defer_build=True)
    __pydantic_extra__: dict[str, Number] = Field(init=False)
    env_steps: Count
    seconds: Annotated[float, Field(ge=0)]

    @property
    def values(self) -> dict[str, float]:
        """The numbers of the record, by tag."""
        return self.__pydantic_extra__


# result.json


@STRICT
class Result(TypedDict):
    """result.json: ``returns`` and ``lengths`` have a list for each of the seeds."""

    algo: str
    backend: str
    env: str
    seeds: Annotated[list[Count], FailFast()]
    env_steps: Count
    mean: Number
    std: Annotated[Number, Field(ge=0)]
    returns: Annotated[list[Annotated[list[Number], FailFast()]], FailFast()]
    lengths: Annotated[list[Annotated[list[Count], FailFast()]], FailFast()]
    seconds: Annotated[Number, Field(ge=0)]
    versions: dict[str, str]
