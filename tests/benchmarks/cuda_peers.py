"""PyTorch doing the same work on the same GPU: eager and compiled, in float32 without TF32, four moments a layer.

Real weights are drawn into buffers that are used again and kept for a backward pass that is written by hand; collapsed
networks are tensors of many at once, by Gram matrices and Cholesky where there are several inputs. ReLU, He weights.
"""

from __future__ import annotations

import math
import statistics

DEVICE = "cuda"
REPEATS = 5
_MOST_WEIGHTS = 0.4  # of the memory that is free
_MOST_TENSORS = 0.5
_JITTER = 1e-5  # of a Gram matrix's mean diagonal: inputs become collinear with depth


def why_not():
    """Why there is no peer to be measured, in half a sentence; empty where there is."""
    try:
        import torch
    except ImportError:
        return "PyTorch is not installed"
    return "" if torch.cuda.is_available() else f"PyTorch {torch.__version__} sees no GPU"


def version():
    """PyTorch's version, or why there is none."""
    if reason := why_not():
        return reason
    import torch

    return f"PyTorch {torch.__version__}"


def _begin():
    """float32 products, and no code compiled for other shapes: beyond eight of them PyTorch compiles no more."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.compiler.reset()


def _compiled(function):
    import torch

    return torch.compile(function, dynamic=False)


def _free():
    import torch

    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info()[0]


def _rate(networks, work):
    """Networks a second, the median of ``REPEATS`` by the device's clock; ValueError where the moments are wrong."""
    import torch

    moments = work()  # compiles
    torch.cuda.synchronize()
    times = []
    for _ in range(REPEATS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    _check([float(moment.double().mean()) for moment in moments])
    return networks / statistics.median(times)


def _check(moments):
    """He weights keep h's second moment at 2 in the mean; deep networks scatter: the first layer is looked at."""
    if not all(map(math.isfinite, moments)) or not 1.8 < moments[0] < 2.2:
        raise ValueError(f"PyTorch's second moment is {moments[0]:.3g} in layer 1 and should be near 2")


def _moments(h, x, axes):
    squares = h * h
    return [squares.mean(axes), h.mean(axes), (squares * squares).mean(axes), (x * x).mean(axes)]


def _inputs(width, batch):
    import torch

    x = torch.randn(width, batch, device=DEVICE)
    return x / x.square().mean(0).sqrt()


def direct(width, depth, batch, uniform, backward, compiled):
    """Networks a second with real weights."""
    import torch

    _begin()
    kept = depth if backward else 1
    count = max(1, min(256, int(_MOST_WEIGHTS * _free() / (4 * kept * width * width))))
    weights = torch.empty(kept, count, width, width, device=DEVICE)
    std, inputs = (2 / width) ** 0.5, _inputs(width, batch)

    def forward(w, x):
        h = torch.bmm(w.uniform_(-std * 3**0.5, std * 3**0.5) if uniform else w.normal_(0, std), x)
        x = h.clamp_min(0)
        return h, x, _moments(h, x, (1, 2))

    def back(w, d, h):
        d = torch.bmm(w.transpose(1, 2), d) * (h > 0)
        return d, d.square().mean((1, 2))

    if compiled:
        forward, back = map(_compiled, (forward, back))

    def work():
        x, hs, out = inputs.expand(count, width, batch).contiguous(), [], []
        for layer in range(depth):
            h, x, moments = forward(weights[layer % kept], x)
            out += moments
            if backward:
                hs.append(h)
        if backward:
            d = torch.randn_like(x) * (hs[-1] > 0)
            for layer in range(depth - 1, 0, -1):
                out.append(d.square().mean((1, 2)))
                d, _ = back(weights[layer], d, hs[layer - 1])
        return out

    return _rate(count, work)


def collapsed(width, depth, batch, uniform, backward, compiled):
    """Networks a second without weights: one input by its norm, several by Gram matrices."""
    import torch

    _begin()
    step, step_back = (_of_one, _back_of_one) if batch == 1 else (_of_several, _back_of_several)
    if compiled:
        step, step_back = map(_compiled, (step, step_back))
    tensors = 4 * width * batch * (3 * depth + 8 if backward else 8)
    count = max(1, min(20_000 if batch == 1 else 16_000 // batch, int(_MOST_TENSORS * _free() / tensors)))
    std, inputs = (2 / width) ** 0.5, _inputs(width, batch)

    def work():
        x, tape, out = inputs.expand(count, width, batch).contiguous(), [], []
        for _ in range(depth):
            h, y, factor, moments = step(x, std)
            out += moments
            tape.append((x, h, factor))
            tape = tape if backward else []
            x = y
        if backward:
            d = torch.randn_like(x) * (tape[-1][1] > 0)
            for layer in range(depth - 1, 0, -1):
                d, moment = step_back(d, *tape[layer], tape[layer - 1][1], std)
                out.append(moment)
        return out

    return _rate(count, work)


def _of_one(x, std):
    size = x.square().sum(1, keepdim=True).sqrt()
    h = std * size * _normals_like(x)
    y = h.clamp_min(0)
    return h, y, size, _moments(h, y, (1, 2))


def _back_of_one(d, x, h, size, below, std):
    """|d| (g - u (u.g)) + u (z.d) with u = x / |x| and z = h / (std |x|)."""
    g, u = _normals_like(d), x / size.clamp_min(1e-30)
    along = (h * d).sum(1, keepdim=True) / (std * size).clamp_min(1e-30)
    free = d.square().sum(1, keepdim=True).sqrt() * (g - u * (u * g).sum(1, keepdim=True))
    d = std * (free + u * along) * (below > 0)
    return d, d.square().mean((1, 2))


def _of_several(x, std):
    factor = _factor(x)
    h = std * (_normals_like(x) @ factor.transpose(1, 2))
    y = h.clamp_min(0)
    return h, y, factor, _moments(h, y, (1, 2))


def _back_of_several(d, x, h, factor, below, std):
    import torch

    free = std * (_normals_like(d) @ _factor(d).transpose(1, 2))
    along = torch.bmm(h.transpose(1, 2), d) - torch.bmm(x.transpose(1, 2), free)
    d = (torch.bmm(x, torch.cholesky_solve(along, factor)) + free) * (below > 0)
    return d, d.square().mean((1, 2))


def _factor(x):
    """C with C C^T the Gram matrix of the columns."""
    import torch

    gram = torch.bmm(x.transpose(1, 2), x)
    mean = gram.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    return torch.linalg.cholesky_ex(gram + _JITTER * mean * torch.eye(x.shape[2], device=x.device))[0]


def _normals_like(x):
    import torch

    return torch.randn_like(x)


METHODS = {"direct": direct, "collapsed": collapsed}
