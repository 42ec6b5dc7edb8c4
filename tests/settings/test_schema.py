"""What a dataclass says of its keys: the values that they take, the words of --help."""

from rlpair import DQNConfig
from rlpair.algos.base import OffPolicyConfig
from rlpair.benchmark.plan import BenchmarkConfig
from rlpair.cli.arguments import resolve
from rlpair.settings.schema import field_docs


def test_a_whole_number_that_may_be_null_is_read_as_one_that_may_not() -> None:
    values, _ = resolve([("total_env_steps", "1e6"), ("jobs", "null")], BenchmarkConfig, has_algo=False)
    assert (values["total_env_steps"], values["jobs"]) == (1_000_000, None)
    assert type(values["total_env_steps"]) is int


def test_a_key_that_an_algorithm_describes_itself_has_its_words() -> None:
    assert field_docs(OffPolicyConfig)["max_grad_norm"].endswith("null turns it off.")
    assert field_docs(OffPolicyConfig)["encoder"] == "What images go through first: none flattens them."
    assert field_docs(DQNConfig)["encoder"].startswith("Of images: nature ")
    assert field_docs(DQNConfig)["gamma"] == field_docs(OffPolicyConfig)["gamma"]
