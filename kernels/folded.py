"""What both devices leave of a group of networks: its numbers, and the keys by which values are counted.

Plain numbers, no compiler: ``mcflow.sampling.fold`` makes summaries of them.
"""

# Of a group's column, one quantity of one layer: how many are numbers, their mean and the root of the sum of squared
# deviations, the same of the natural logarithms of those that are positive, and how many are 0.
COUNT, MEAN, SPREAD, LOG_COUNT, LOG_MEAN, LOG_SPREAD, ZEROS = range(7)
RESULTS = 7
# A key is the exponent and the first six bits of the fraction of a float64: a bin of 64 to an octave.
KEY_SHIFT = 46
NOTHING = -1  # the keys of a group without a number that is not 0
SIZE_BITS = (1 << 63) - 1
# Numbers beyond 2^+-400 are left to others: squares of what lies within stay inside float64.
FARTHEST = 400
LEAST, MOST = (1023 - FARTHEST) << 52, (1023 + FARTHEST) << 52
FARTHEST_POWER = 1000  # by which a number may be multiplied
