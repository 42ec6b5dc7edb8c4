"""Bugs in what a network is, and in how either framework computes it."""

from mutants import Bug

ARCH, JAX, TORCH = "nets/arch.py", "nets/networks_jax.py", "nets/networks_torch.py"
CONVOLUTION, FAST = "nets/convolution_jax.py", "test_convolution_jax.py"
TEST, IMAGES = "test_arch.py", "test_convolutions.py"
ENCODERS = "nets/encoders.py"
BUGS = [
    Bug("an activation after the last layer", ARCH, "* len(hidden) + [None]", "* (len(hidden) + 1)", TEST),
    Bug("biases begin at 0", ARCH, "rng.uniform(-bound, bound, array.shape)", "rng.uniform(-bound, bound, array.shape) * (len(array.shape) > 1)", TEST),
    Bug("the bias is drawn first", ARCH, '{"weight": weight, "bias": Array((self.outputs,), self.inputs, (0,))}', '{"bias": Array((self.outputs,), self.inputs, (0,)), "weight": weight}', TEST),
    Bug("fan_out for fan_in", ARCH, "Array((self.inputs, self.outputs), self.inputs, (1, 0))", "Array((self.inputs, self.outputs), self.outputs, (1, 0))", TEST),
    Bug("all networks of a net begin alike", ARCH, "        bound = 1 / np.sqrt(array.fan_in)\n", "        bound, rng = 1 / np.sqrt(array.fan_in), np.random.default_rng(0)\n", TEST),
    Bug("the first layer's inputs get a gradient", ARCH, " - 2 * sum(layer.multiply_adds for layer in self.layers[0].first)", "", TEST),
    Bug("the narrowest product counts", ARCH, "rows * max(layer.multiply_adds", "rows * min(layer.multiply_adds", TEST),
    Bug("memory forgets what goes in", ARCH, "return self.layers[0].inputs + sum(", "return sum(", TEST),
    Bug("torch's layout in the file", ARCH, "self.inputs, (1, 0))", "self.inputs, (0, 1))", TEST),
    Bug("a kernel is turned round in torch", ARCH, "(3, 2, 0, 1)", "(3, 2, 1, 0)", f"{IMAGES}::test_n5_a_convolution"),
    Bug("columns before rows in torch", TORCH, ".permute(0, 3, 1, 2)", ".permute(0, 3, 2, 1)", f"{IMAGES}::test_n4_rows_come_before_columns"),
    Bug("channels first, torch's own order, where it is flattened", TORCH, "y.permute(0, 2, 3, 1).reshape(", "y.reshape(", f"{IMAGES}::test_n4_channels_lie_side_by_side_in_what_goes_in_and_in_what_comes_out"),
    Bug("channels first where it is flattened", JAX, "return y.reshape(", "return y.transpose(0, 3, 1, 2).reshape(", f"{IMAGES}::test_n4_channels_lie_side_by_side_in_what_goes_in_and_in_what_comes_out"),
    Bug("columns before rows in JAX", JAX, "x.reshape(-1, *layer.shape)", "x.reshape(-1, *layer.shape).transpose(0, 2, 1, 3)", f"{IMAGES}::test_n5_a_convolution"),
    Bug("a convolution without a stride", TORCH, "weight, bias, layer.stride, layer.padding", "weight, bias, 1, layer.padding", f"{IMAGES}::test_n5_a_convolution"),
    Bug("SAME instead of VALID", CONVOLUTION, "sides = [(padding, padding)] * 2", 'sides = "SAME"', f"{IMAGES}::test_n5_a_convolution"),
    Bug("a pool is SAME", JAX, "[(layer.padding,) * 2] * 2", '"SAME"', "test_convolutions.py"),
    Bug("the kernel is not turned for the gradient", CONVOLUTION, "kernel[::-1, ::-1].swapaxes(2, 3)", "kernel.swapaxes(2, 3)", f"{FAST}::test_it_is_what_xla_has"),
    Bug("what no window reaches is forgotten", CONVOLUTION, "size - 1 - padding + left)", "size - 1 - padding)", FAST),
    Bug("the kernel's gradient sees what no window reaches", CONVOLUTION, "(padding, padding - left)", "(padding, padding)", FAST),
    Bug("columns of a patch before its rows", CONVOLUTION, "for i in range(size) for j in range(size)]", "for j in range(size) for i in range(size)]", f"{FAST}::test_it_is_what_xla_has"),
    Bug("patches at every pixel", CONVOLUTION, "[:, i : i + height : stride, j : j + width : stride]", "[:, i : i + height, j : j + width]", FAST),
    Bug("gradients as XLA has them, slow in a loop", CONVOLUTION, "cpu=on_cpu, default=elsewhere)\n    return dx", "cpu=elsewhere, default=elsewhere)\n    return dx", f"{FAST}::test_in_a_loop_every_convolution_is_of_images_with_kernels"),
    Bug("many seeds are a grouped convolution", CONVOLUTION, "looped: Callable[..., Any] = sequential_vmap(function)  # type: ignore[no-untyped-call]", "looped: Callable[..., Any] = function", f"{FAST}::test_in_a_loop_every_convolution_is_of_images_with_kernels"),
    Bug("a GPU has the forms of a CPU", CONVOLUTION, "cpu=on_cpu, default=elsewhere)\n    return dx", "cpu=on_cpu, default=on_cpu)\n    return dx", f"{FAST}::test_another_device_has_xlas_own"),
    Bug("a pool pads with zeros", TORCH, "nn.functional.max_pool2d(to_image(x, layer), layer.size, layer.stride, layer.padding)", "nn.functional.max_pool2d(nn.functional.pad(to_image(x, layer), (layer.padding,) * 4), layer.size, layer.stride)", f"{IMAGES}::test_n6_a_max_pool"),
    Bug("a residual without its first relu", TORCH, "run(steps, params, torch.relu(x))", "run(steps, params, x)", f"{IMAGES}::test_n7_a_residual_adds_what_it_makes_of_the_relu"),
    Bug("a residual adds the relu", JAX, "return x + run(", "return nn.relu(x) + run(", f"{IMAGES}::test_n7_a_residual_adds_what_it_makes_of_the_relu"),
    Bug("pixels scaled twice", TORCH, "flat / 255 if", "flat / 255 / 255 if", f"{IMAGES}::test_pixels_are_scaled_once_and_planes_are_not"),
    Bug("planes scaled as pixels are", JAX, "if obs.dtype == jnp.uint8", "if obs.dtype in (jnp.uint8, jnp.bool_)", f"{IMAGES}::test_pixels_are_scaled_once_and_planes_are_not"),
    Bug("fan_in of a kernel without its sides", ARCH, "fan_in = math.prod(kernel[:3])", "fan_in = kernel[2]", "test_encoders.py::test_nature"),
    Bug("FLOP of a convolution without its channels", ARCH, "self.outputs * self.size**2 * self.shape[2]", "self.outputs * self.size**2", "test_encoders.py::test_nature"),
    Bug("FLOP without the layers inside", ARCH, "2 * sum(layer.multiply_adds for layer in every(self.layers))", "2 * sum(layer.multiply_adds for layer in self.layers)", "test_encoders.py::test_impala"),
    Bug("an encoder for images that are too small", ENCODERS, "< (least := SMALLEST[name])", "< (least := SMALLEST[name]) - 1", "test_encoders.py::test_what_cannot_be_encoded_is_one_line"),
    Bug("every part begins where the first does", TORCH, "zip(steps, ends, ends[1:],", "zip(steps, [0] * len(steps), ends[1:],", f"{IMAGES}::test_n8_branches"),
    Bug("parts joined the other way round", JAX, "jnp.concatenate(each, axis=-1)", "jnp.concatenate(each[::-1], axis=-1)", f"{IMAGES}::test_n8_branches"),
    Bug("FLOP: gradients to all parts", ARCH, "tuple(branch[0] for branch in self.branches if branch)", "()", "test_encoders.py::test_images_and_vectors_each_have_their_own_way"),
    Bug("net_arch in the place of the encoder", "algos/dqn.py", "Arch((*encoder, *head.layers))", "Arch(head.layers)", "test_encoders.py::test_q_is_the_encoder_and_then_net_arch"),
    Bug("an agent of before encoders gets one", "runs/formats.py", 'dict(getattr(kind, "before", {}))', "{}", "test_earlier_versions.py::test_an_agent_of_images_from_before_encoders_has_none"),
    Bug("axes put in torch's order again", TORCH, "sorted(range(tensor.ndim), key=array.torch_axes.__getitem__)", "array.torch_axes", TEST),
    Bug("every critic is the first", TORCH, "        begin = end\n", "", "test_reference.py"),
    Bug("every critic is the first", JAX, "apply(arch, its_params, x, precision)", "apply(arch, params[0], x, precision)", "test_reference.py"),
    Bug("the own settings instead of the networks given", "algos/dqn_jax.py", '(network,) = networks["q"]', '(network,) = __import__("rlpair.algos.dqn").algos.dqn.networks(config, spec)["q"]', TEST),
    Bug("the precision stops at the learner", JAX, "params.get(str(number), {}), x, precision)", 'params.get(str(number), {}), x, "highest")', "test_agents.py::test_the_precision_reaches_every_product"),
]  # fmt: skip
