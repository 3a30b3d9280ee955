"""What one unit adds to the sums of its layer: powers of a preactivation or an activation."""


def first_four(v):
    """v, v^2 and v^4."""
    square = v * v
    return v, square, square * square


def first_two(v):
    """v and v^2."""
    return v, v * v


def size_and_fourth(v):
    """|v| and v^4."""
    square = v * v
    return abs(v), square * square
