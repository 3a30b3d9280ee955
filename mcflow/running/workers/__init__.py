"""Who computes parts: this process, executors, Dask, several GPUs."""
