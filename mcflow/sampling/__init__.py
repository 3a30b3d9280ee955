"""Networks in, statistics out: the only room that imports the kernels."""
