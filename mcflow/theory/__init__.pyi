from .infinite_width.trajectory import propagate
from .of_activation import critical_gain, edge_of_chaos, expectation, fixed_points
from .prediction import predict

__all__ = ["critical_gain", "edge_of_chaos", "expectation", "fixed_points", "predict", "propagate"]
