"""The kernels for GPUs: a block of threads for each network, the same numbers as the processor's kernels draw."""
