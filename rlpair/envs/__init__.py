"""The environments: what stands between a learner and Gymnasium."""
