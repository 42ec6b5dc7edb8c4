"""Bugs in what a network is, and in how either framework computes it."""

from mutants import Bug

ARCH, JAX, TORCH = "nets/arch.py", "nets/networks_jax.py", "nets/networks_torch.py"
TEST = "test_arch.py"
BUGS = [
    Bug("an activation after the last layer", ARCH, "* len(hidden) + [None]", "* (len(hidden) + 1)", TEST),
    Bug("biases begin at 0", ARCH, "rng.uniform(-bound, bound, array.shape)", "rng.uniform(-bound, bound, array.shape) * (len(array.shape) > 1)", TEST),
    Bug("the bias is drawn first", ARCH, '{"weight": weight, "bias": Array((self.outputs,), self.inputs, (0,))}', '{"bias": Array((self.outputs,), self.inputs, (0,)), "weight": weight}', TEST),
    Bug("fan_out for fan_in", ARCH, "Array((self.inputs, self.outputs), self.inputs, (1, 0))", "Array((self.inputs, self.outputs), self.outputs, (1, 0))", TEST),
    Bug("all networks of a net begin alike", ARCH, "        bound = 1 / np.sqrt(array.fan_in)\n", "        bound, rng = 1 / np.sqrt(array.fan_in), np.random.default_rng(0)\n", TEST),
    Bug("the first layer's inputs get a gradient", ARCH, " - 2 * self.layers[0].multiply_adds", "", TEST),
    Bug("the narrowest product counts", ARCH, "rows * max(layer.multiply_adds", "rows * min(layer.multiply_adds", TEST),
    Bug("memory forgets what goes in", ARCH, "return self.layers[0].inputs + sum(", "return sum(", TEST),
    Bug("torch's layout in the file", ARCH, "self.inputs, (1, 0))", "self.inputs, (0, 1))", TEST),
    Bug("axes put in torch's order again", TORCH, "sorted(range(tensor.ndim), key=array.torch_axes.__getitem__)", "array.torch_axes", TEST),
    Bug("every critic is the first", TORCH, "        begin = end\n", "", "test_reference.py"),
    Bug("every critic is the first", JAX, "apply(arch, its_params, x, precision)", "apply(arch, params[0], x, precision)", "test_reference.py"),
    Bug("the own settings instead of the networks given", "algos/dqn_jax.py", '(network,) = networks["q"]', '(network,) = __import__("rlpair.algos.dqn").algos.dqn.networks(config, spec)["q"]', TEST),
    Bug("the precision stops at the learner", JAX, "params[str(number)], x, precision)", 'params[str(number)], x, "highest")', "test_agents.py::test_the_precision_reaches_every_product"),
]  # fmt: skip
