"""Instructions of a GPU that numba-cuda has no name for, as PTX; each with what the simulator does instead."""

import threading

import numpy
from numba import types

from . import rounding
from ._compile import SIMULATED, cuda

_WARP = 32

if not SIMULATED:
    from llvmlite import ir
    from numba.core import cgutils
    from numba.cuda.extending import intrinsic

    _FLOAT, _WORD = ir.FloatType(), ir.IntType(32)

    def _of_one_float(text):
        """A float32 of a float32 by one instruction without other effects."""

        def codegen(context, builder, signature, arguments):
            kind = ir.FunctionType(_FLOAT, [_FLOAT])
            return builder.call(ir.InlineAsm(kind, f"{text} $0, $1;", "=f,f", side_effect=False), arguments)

        return types.float32(types.float32), codegen

    @intrinsic
    def log2_of_normal(typingctx, x):
        """log2 of a normal float32: ``lg2.approx`` without the care for subnormal ones, three instructions less."""
        return _of_one_float("lg2.approx.ftz.f32")

    @intrinsic
    def rsqrt_of_normal(typingctx, x):
        """1 / sqrt(x) of a normal float32, as ``log2_of_normal``."""
        return _of_one_float("rsqrt.approx.ftz.f32")

    @intrinsic
    def multiply_add_by_cores(typingctx, c, a, b):
        """A B + C of a warp on tensor cores, in the fragments of m16n8k8; see ``multiply_add_by_exchange``.

        PTX ISA 9.1, section 9.7.14.5 (``mma.sync``); compute capability 8.0 and above.
        """

        def codegen(context, builder, signature, arguments):
            c, a, b = (cgutils.unpack_tuple(builder, each) for each in arguments)
            kind = ir.FunctionType(ir.LiteralStructType([_FLOAT] * 4), [_FLOAT] * 4 + [_WORD] * 6)
            text = (
                "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                "{$0, $1, $2, $3}, {$8, $9, $10, $11}, {$12, $13}, {$4, $5, $6, $7};"
            )
            instruction = ir.InlineAsm(kind, text, "=f,=f,=f,=f,f,f,f,f,r,r,r,r,r,r", side_effect=False)
            words = [builder.bitcast(each, _WORD) for each in a + b]
            # no compiler may move it to where only some lanes go
            made = builder.call(instruction, c + words, attrs=("convergent", "nounwind", "readnone"))
            numbers = [builder.extract_value(made, i) for i in range(4)]
            return context.make_tuple(builder, signature.return_type, numbers)

        four, two = types.UniTuple(types.float32, 4), types.UniTuple(types.float32, 2)
        return four(four, four, two), codegen


class _Exchange:
    """Where the 32 threads of a simulated warp meet: the last to come multiplies for all."""

    def __init__(self):
        self.given, self.made = [None] * _WARP, None
        self.meeting = threading.Barrier(_WARP, self.multiply, timeout=60.0)

    def multiply(self):
        """Fragments to matrices, and their product as tensor cores round it."""
        c, a, b = numpy.zeros((16, 8)), numpy.zeros((16, 8)), numpy.zeros((8, 8))
        for lane, (of_c, of_a, of_b) in enumerate(self.given):
            g, t = lane // 4, lane % 4
            for i in range(4):
                c[g + i // 2 * 8, 2 * t + i % 2] = of_c[i]
                a[g + i % 2 * 8, t + i // 2 * 4] = of_a[i]
            b[t, g], b[t + 4, g] = of_b
        self.made = rounding.multiply_add(c, a, b)

    def multiply_add(self, lane, *fragments):
        self.given[lane] = fragments
        self.meeting.wait()
        g, t = lane // 4, lane % 4
        return tuple(self.made[g + i // 2 * 8, 2 * t + i % 2] for i in range(4))


_warps = [_Exchange() for _ in range(1024 // _WARP)]  # as many as a block may have


def multiply_add_by_exchange(c, a, b):
    """A B + C of a warp, for the simulator: tuples of float32, four of a lane of C and A, two of B.

    Lane 4 g + t has C and the result at (g, 2 t), (g, 2 t + 1), (g + 8, 2 t), (g + 8, 2 t + 1) of 16 x 8; A at
    (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4) of 16 x 8; B at (t, g), (t + 4, g) of 8 x 8.
    """
    warp, lane = divmod(cuda.threadIdx.x, _WARP)
    return _warps[warp].multiply_add(lane, c, a, b)
