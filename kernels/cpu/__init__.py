"""The kernels for processors: parallel over networks, vectorised over units, one fixed order of sums a network."""
