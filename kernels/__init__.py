"""The hot loops of mcflow, installed as ``mcflow.kernels``."""

if __name__ == "kernels":
    raise ImportError(
        "the folder 'kernels' is part of mcflow and not importable by itself; install mcflow and import mcflow.kernels"
    )
