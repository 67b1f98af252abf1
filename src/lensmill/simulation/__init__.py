"""Mock surveys: images drawn from the priors, effects of real data, the files that hold them."""
