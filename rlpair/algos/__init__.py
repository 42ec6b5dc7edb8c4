"""The algorithms: equations and settings, backend-free, and beside them a torch and a jax learner each."""
