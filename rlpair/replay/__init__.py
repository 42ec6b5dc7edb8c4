"""What was seen, to be learned from: storage times sampler, on the host and as pure functions.

``storage.py`` and ``samplers.py`` hold the two on the host, ``buffer.py`` their product, which is what a training loop
takes; the same in ``*_jax.py``, as values, for the fused loop. An index counts environments within rows.
"""
