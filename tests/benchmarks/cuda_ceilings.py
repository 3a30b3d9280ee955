"""What one GPU can do at all: copies, multiply-adds, tensor-core products, random words and numbers, each alone."""

from __future__ import annotations

import numba
import numpy as np
from cuda_timing import seconds_of
from llvmlite import ir
from mcflow.kernels.cuda import bodies
from mcflow.kernels.cuda._compile import cuda
from numba import float32, types, uint32, uint64
from numba.cuda.extending import intrinsic

THREADS = 256
CHUNK, CHUNKS = 16, 4  # bytes that an instruction moves, and how many a thread has under way
ACCUMULATORS = 8  # of a thread, independent: enough to hide the latency of a multiply-add with eight warps
DOUBLED = 4  # times that the body of a loop is doubled
FRAGMENT_FLOPS = 2 * 16 * 8 * 8  # of one mma.m16n8k8, by a warp


_I32, _F32 = ir.IntType(32), ir.FloatType()


@intrinsic
def load_chunk(typingctx, address):
    """Four words at an address of global memory, by one instruction."""

    def codegen(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.LiteralStructType([_I32] * 4), [ir.IntType(64)])
        text = "ld.global.v4.u32 {$0, $1, $2, $3}, [$4];"
        words = builder.call(ir.InlineAsm(kind, text, "=r,=r,=r,=r,l", side_effect=True), arguments)
        return context.make_tuple(builder, signature.return_type, [builder.extract_value(words, i) for i in range(4)])

    return types.UniTuple(types.uint32, 4)(types.uint64), codegen


@intrinsic
def store_chunk(typingctx, address, words):
    """The same, written."""

    def codegen(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64), *[_I32] * 4])
        asm = ir.InlineAsm(kind, "st.global.v4.u32 [$0], {$1, $2, $3, $4};", "l,r,r,r,r", side_effect=True)
        address, words = arguments
        builder.call(asm, [address, *(builder.extract_value(words, i) for i in range(4))])
        return context.get_dummy_value()

    return types.none(types.uint64, types.UniTuple(types.uint32, 4)), codegen


@intrinsic
def multiply_tile(typingctx, sums, a, b):
    """sums + A B of a 16 x 8 x 8 tile in TF32, all entries of A being ``a`` and of B ``b``."""

    def codegen(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.LiteralStructType([_F32] * 4), [*[_F32] * 4, _I32, _I32])
        asm = (
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
            "{$0, $1, $2, $3}, {$8, $8, $8, $8}, {$9, $9}, {$4, $5, $6, $7};"
        )
        asm = ir.InlineAsm(kind, asm, "=f,=f,=f,=f,f,f,f,f,r,r", side_effect=False)
        sums, *factors = arguments
        given = [*(builder.extract_value(sums, i) for i in range(4)), *(builder.bitcast(x, _I32) for x in factors)]
        found = builder.call(asm, given)
        return context.make_tuple(builder, signature.return_type, [builder.extract_value(found, i) for i in range(4)])

    return types.UniTuple(types.float32, 4)(types.UniTuple(types.float32, 4), types.float32, types.float32), codegen


def copy(source, target, chunks):
    """``chunks`` pieces of CHUNK bytes from one address to another: each thread has CHUNKS of them under way."""
    first = cuda.blockIdx.x * THREADS * CHUNKS + cuda.threadIdx.x
    if first + (CHUNKS - 1) * THREADS < chunks:
        here, there = uint64(source + CHUNK * first), uint64(target + CHUNK * first)
        step = uint64(CHUNK * THREADS)
        a = load_chunk(here)
        b = load_chunk(here + step)
        c = load_chunk(here + step + step)
        d = load_chunk(here + step + step + step)
        store_chunk(there, a)
        store_chunk(there + step, b)
        store_chunk(there + step + step, c)
        store_chunk(there + step + step + step, d)


def _fma_once(x, a, b):
    return (
        cuda.fma(x[0], a, b), cuda.fma(x[1], a, b), cuda.fma(x[2], a, b), cuda.fma(x[3], a, b),
        cuda.fma(x[4], a, b), cuda.fma(x[5], a, b), cuda.fma(x[6], a, b), cuda.fma(x[7], a, b),
    )  # fmt: skip


def _tile_once(x, a, b):
    return multiply_tile(x[0], a, b), multiply_tile(x[1], a, b), multiply_tile(x[2], a, b), multiply_tile(x[3], a, b)


def _doubled(step, times):
    """``step`` after itself, 2^times times: a loop of it is work and not counting."""
    step = cuda.jit(step, device=True, inline="always")
    for _ in range(times):
        step = _twice(step)
    return step


def _twice(step):
    def twice(x, a, b):
        return step(step(x, a, b), a, b)

    return cuda.jit(twice, device=True, inline="always")


_fma_many, _tile_many = _doubled(_fma_once, DOUBLED), _doubled(_tile_once, DOUBLED - 1)


def multiply_and_add(out, turns, a, b):
    """Fused multiply-adds and nothing else: ACCUMULATORS 2^DOUBLED a turn and thread."""
    s = out[cuda.grid(1)]
    x = (s, s + a, s - a, s + b, s - b, a, b, a - b)
    for _ in range(turns):
        x = _fma_many(x, a, b)
    out[cuda.grid(1)] = x[0] + x[1] + x[2] + x[3] + x[4] + x[5] + x[6] + x[7]


def multiply_tiles(out, turns, a, b):
    """Tensor-core products and nothing else: four tiles 2^(DOUBLED - 1) times a turn and warp."""
    s = out[cuda.grid(1)]
    row = (s, a, b, s)
    x = (row, row, row, row)
    for _ in range(turns):
        x = _tile_many(x, a, b)
    total = float32(0.0)
    for tile in x:
        total += tile[0] + tile[1] + tile[2] + tile[3]
    out[cuda.grid(1)] = total


@cuda.jit(device=True)
def _round(a, b, c, d, key_0, key_1):
    product_0, product_1 = uint64(a) * uint64(0xD2511F53), uint64(c) * uint64(0xCD9E8D57)
    high_0, high_1 = uint32(product_0 >> uint64(32)), uint32(product_1 >> uint64(32))
    return uint32(high_1 ^ b ^ key_0), uint32(product_1), uint32(high_0 ^ d ^ key_1), uint32(product_0)


@cuda.jit(device=True)
def _philox(a, b, c, d, key_0, key_1):
    """Ten rounds of Philox4x32, keys in 32 bits."""
    for _ in range(10):
        a, b, c, d = _round(a, b, c, d, key_0, key_1)
        key_0, key_1 = uint32(key_0 + uint32(0x9E3779B9)), uint32(key_1 + uint32(0xBB67AE85))
    return a, b, c, d


def make_words(out, turns, key_0, key_1):
    """Four words a turn and thread; two words of the counter change, as group and row do in a layer."""
    place, group, row, total = uint32(cuda.grid(1)), uint32(0), uint32(0), uint32(0)
    for _ in range(turns):
        group, row = uint32(group + uint32(1)), uint32(row + uint32(3))
        a, b, c, d = _philox(group, row, place, uint32(0), key_0, key_1)
        total = uint32(total ^ a ^ b ^ c ^ d)
    out[cuda.grid(1)] = float32(total)


def _maker(pair):
    def make(out, turns, key_0, key_1):
        """Four numbers a turn and thread, from four words."""
        place, group, row, total = uint32(cuda.grid(1)), uint32(0), uint32(0), float32(0.0)
        for _ in range(turns):
            group, row = uint32(group + uint32(1)), uint32(row + uint32(3))
            a, b, c, d = _philox(group, row, place, uint32(0), key_0, key_1)
            w, x = pair(a, b)
            y, z = pair(c, d)
            total += w + x + y + z
        out[cuda.grid(1)] = total

    return make


make_normals, make_uniforms = _maker(bodies.normal_pair), _maker(bodies.uniform_pair)


def copied(bytes_of_each=1 << 30):
    """Bytes a second, read and written."""
    source, target = (cuda.device_array(bytes_of_each, np.uint8) for _ in range(2))
    chunks = bytes_of_each // CHUNK
    addresses = [np.uint64(each.device_ctypes_pointer.value) for each in (source, target)]
    kernel, blocks = cuda.jit(copy), chunks // (THREADS * CHUNKS)
    taken = seconds_of(lambda stream: kernel[blocks, THREADS, stream](*addresses, chunks))
    return 2 * blocks * THREADS * CHUNKS * CHUNK / taken


def _of_threads(kernel, turns, each, *arguments, blocks=8):
    """``each`` a turn and thread, a second, with so many blocks a multiprocessor."""
    grid = blocks * int(cuda.get_current_device().MULTIPROCESSOR_COUNT)
    out, compiled = cuda.to_device(np.zeros(grid * THREADS, np.float32)), cuda.jit(kernel)
    taken = seconds_of(lambda stream: compiled[grid, THREADS, stream](out, turns, *arguments))
    return each * turns * grid * THREADS / taken


def fused(turns=4000):
    """Floating-point operations a second, two a fused multiply-add."""
    each = 2 * ACCUMULATORS << DOUBLED
    return _of_threads(multiply_and_add, turns, each, np.float32(0.999), np.float32(0.001))


def by_tensor_cores(turns=2000):
    """Floating-point operations a second of mma.sync in TF32; ValueError where the device has none."""
    if cuda.get_current_device().compute_capability < (8, 0):
        raise ValueError("TF32 takes compute capability 8.0")
    each = FRAGMENT_FLOPS * (4 << (DOUBLED - 1)) / 32
    return _of_threads(multiply_tiles, turns, each, np.float32(0.999), np.float32(0.001))


def words(turns=4000):
    """Philox words a second."""
    return _of_threads(make_words, turns, 4, np.uint32(1), np.uint32(2))


def normals(turns=4000):
    """Normals a second by the project's own transform."""
    return _of_threads(make_normals, turns, 4, np.uint32(1), np.uint32(2))


def uniforms(turns=4000):
    """Uniform numbers a second."""
    return _of_threads(make_uniforms, turns, 4, np.uint32(1), np.uint32(2))


# What is measured, in its order: a name, a unit and its size, what an H100 has by its data sheet (None: it is silent).
ALL = (
    ("copy, bytes read and written", "TB/s", 1e12, 3.35, copied),
    ("float32, fused multiply-add", "TFLOP/s", 1e12, 67.0, fused),
    ("TF32 by mma.sync", "TFLOP/s", 1e12, 495.0, by_tensor_cores),
    ("Philox, ten rounds", "1e12 words/s", 1e12, None, words),
    ("normals alone", "1e12/s", 1e12, None, normals),
    ("uniforms alone", "1e12/s", 1e12, None, uniforms),
)

_SIGNATURES = {
    copy: types.void(numba.uint64, numba.uint64, numba.int64),
    multiply_and_add: types.void(types.Array(float32, 1, "C"), numba.int64, float32, float32),
    multiply_tiles: types.void(types.Array(float32, 1, "C"), numba.int64, float32, float32),
    make_words: types.void(types.Array(float32, 1, "C"), numba.int64, uint32, uint32),
    make_normals: types.void(types.Array(float32, 1, "C"), numba.int64, uint32, uint32),
    make_uniforms: types.void(types.Array(float32, 1, "C"), numba.int64, uint32, uint32),
}


def signature_of(kernel):
    """The types with which a kernel is launched, for compiling it without a device."""
    return _SIGNATURES[kernel]
