"""Columns of rows folded over networks: the sums, counts and histograms that a summary is made of, in few passes.

Sums run over networks in their order, column by column, and nothing is contracted: the bits are those of NumPy's sums
over the first axis, whatever thread takes which columns. A column is a layer of one quantity.
"""

import numpy as np

from ._compile import kernel

# Columns of the results of ``first_pass``.
COUNT, LARGEST, SUM, POSITIVE, LARGEST_LOG, LOG_SUM, ZEROS, LEAST_KEY, MOST_KEY = range(9)
RESULTS = 9
# A key is the exponent and the first six bits of the fraction of a float64: a bin of 64 to an octave.
KEY_SHIFT = 46
KEY_MASK = (1 << 17) - 1
LEAST_NORMAL, INFINITE = 1 << 6, 2047 << 6


CHUNK = 256  # networks of which all columns are taken in turn: they stay in the caches


@kernel(plain=True)
def first_pass(values, logs, bits, out):
    """Over networks, for each column of ``values`` (network, column): ``out`` (RESULTS, column) of float64.

    ``logs`` are natural logarithms, looked at where a value is positive; ``bits`` are the int64 of the values. A value
    that is not a number is not counted.
    Keys are those of values that are not 0.
    """
    networks, columns = values.shape
    out[:] = 0.0
    out[LEAST_KEY] = KEY_MASK
    out[MOST_KEY] = -1.0
    for start in range(0, networks, CHUNK):
        end = min(networks, start + CHUNK)
        for c in range(columns):
            total, largest, log_total, largest_log = out[SUM, c], out[LARGEST, c], out[LOG_SUM, c], out[LARGEST_LOG, c]
            low, high = np.int64(out[LEAST_KEY, c]), np.int64(out[MOST_KEY, c])
            count, positive, zeros = 0, 0, 0
            for i in range(start, end):
                v = values[i, c]
                if v > 0.0:
                    log = logs[i, c]
                    log_total += log
                    positive += 1
                    size = abs(log)
                    largest_log = size if size > largest_log else largest_log
                elif v != v:
                    continue
                count += 1
                total += v
                if v == 0.0:
                    zeros += 1
                    continue
                size = abs(v)
                largest = size if size > largest else largest
                key = (bits[i, c] >> KEY_SHIFT) & KEY_MASK
                low = min(low, key)
                high = max(high, key)
            out[SUM, c], out[LARGEST, c], out[LOG_SUM, c], out[LARGEST_LOG, c] = total, largest, log_total, largest_log
            out[LEAST_KEY, c], out[MOST_KEY, c] = low, high
            out[COUNT, c] += count
            out[POSITIVE, c] += positive
            out[ZEROS, c] += zeros


@kernel(plain=True)
def second_pass(values, logs, unit, centre, log_unit, log_centre, out):
    """Sums of squared deviations into ``out`` (2, column): of values times ``unit``, and of logarithms likewise.

    ``unit`` and ``log_unit`` are powers of two, ``centre`` and ``log_centre`` the means in them, (column,) each.
    """
    networks, columns = values.shape
    out[:] = 0.0
    for start in range(0, networks, CHUNK):
        end = min(networks, start + CHUNK)
        for c in range(columns):
            total, log_total = out[0, c], out[1, c]
            scale, middle, log_scale, log_middle = unit[c], centre[c], log_unit[c], log_centre[c]
            for i in range(start, end):
                v = values[i, c]
                if v > 0.0:
                    deviation = logs[i, c] * log_scale - log_middle
                    log_total += deviation * deviation
                elif v != v:
                    continue
                deviation = v * scale - middle
                total += deviation * deviation
            out[0, c], out[1, c] = total, log_total


@kernel(plain=True)
def count_keys(bits, least, counts):
    """Add to ``counts`` (column, 2, keys): how often the key ``least`` + k is met, of positive and of negative values.

    ``bits`` (network, column) are the int64 of float64 values; zeros and what is not a number are not counted.
    """
    networks, columns = bits.shape
    for start in range(0, networks, CHUNK):
        end = min(networks, start + CHUNK)
        for c in range(columns):
            low = least[c]
            for i in range(start, end):
                b = bits[i, c]
                key = (b >> KEY_SHIFT) & KEY_MASK
                if LEAST_NORMAL <= key < INFINITE:
                    counts[c, 1 if b < 0 else 0, key - low] += 1
