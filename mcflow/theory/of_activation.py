"""What the theory of one activation offers to people, of the room ``mean_field`` below."""

from mcflow.mean_field.critical import critical_gain, edge_of_chaos, fixed_points
from mcflow.mean_field.expectation import expectation

__all__ = ["critical_gain", "edge_of_chaos", "expectation", "fixed_points"]
