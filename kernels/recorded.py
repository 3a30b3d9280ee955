"""What both devices record of a layer: the columns of sums and exponents, and the bins of histograms.

Plain numbers, no compiler: ``mcflow.quantities`` says what each quantity makes of the sums.
"""

# Sums over the units and inputs of a layer: of h, h^2, h^4, x, x^2, units with phi' != 0, saturated ones, squared sums
# of unit vectors along h (see ``cpu/sums.py``), d^2, products of d^2 with the layer's inputs x^2;
H_ONE, H_TWO, H_FOUR, X_ONE, X_TWO, ACTIVE, SATURATED, H_COSINES, D_TWO, D_PRODUCT = range(10)
# of |x|, x^4, and squared sums of unit vectors along d.
X_SIZE, X_FOUR, D_COSINES = range(10, 13)
SUMS = 13
# Powers of two that h, x, d and the layer's inputs were divided by for their sums.
H_EXPONENT, X_EXPONENT, D_EXPONENT, IN_EXPONENT = range(4)
EXPONENTS = 4

BINS = 66  # of a histogram: 64 of equal width between two that collect everything beyond
REACH = 6.0  # the inner bins span -6 .. 6 units of the layer's scale
SATURATION = 0.01  # a unit is saturated where |phi'| is under this share of its maximum
