"""Scalar bodies of the kernels: plain Python without decorator or allocation, compiled once for each device."""
