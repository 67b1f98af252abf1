"""The probabilistic model of a lens: parameters and priors, likelihood, program."""
