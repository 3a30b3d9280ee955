"""The same work in mcflow, PyTorch, JAX and NumPy, side by side in one run on one core.

    python tests/benchmarks/peers.py --python PEERS/bin/python [--rounds 3] [--clock cpu] [--pin 1]

Work: independent ReLU networks of He weights, width n, L layers, K fixed inputs, forward and backward, float32; of
every network and layer the mean and the mean square of h, and the mean squares of x and of d (the gradient by h).
mcflow records ten quantities and histograms besides. Every peer may keep a network's weights for its backward pass.

Each peer runs in a process of its own interpreter, mcflow and all peers once a round; it first has to show the right
second moments (He keeps them: 2, 1 and 1/2), then it is timed, every repeat between two short matrix products.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys

import numpy as np
import timing

PEERS = ("mcflow", "torch", "torch-naive", "jax", "numpy", "numpy-collapsed")
ONLY = {"torch-naive": ("direct", "collapsed"), "numpy-collapsed": ("collapsed",)}  # the cases that a peer is for
CASES = {"direct": (1, 16, 128), "uniform": (1, 16), "collapsed": (1, 16)}


def inputs(n, batch):
    """(batch, n) float32 of mean square 1 each."""
    x = np.random.default_rng(1).standard_normal((batch, n))
    return (x / np.sqrt((x**2).mean(axis=1, keepdims=True))).astype(np.float32)


# Each maker returns run(networks) -> (networks, 4, layers): mean h, mean h^2, mean x^2, mean d^2; and its modules.


def make_mcflow(law, n, depth, batch, chunk):
    from mcflow.model.case import Case
    from mcflow.sampling import cpu, sample
    from mcflow.sampling.bins import Plan

    cpu.set_threads(1)
    scheme = "kaiming_uniform" if law == "uniform" else "kaiming_normal"
    case = Case(scheme, "relu", depth=depth, width=n, batch=batch)
    x, plan = inputs(n, batch).astype(float), Plan(0, np.zeros(depth, np.int64), np.zeros(depth, np.int64))
    names = "preactivation_mean", "preactivation_second_moment", "activation_second_moment", "gradient_second_moment"
    method = "collapsed" if law == "collapsed" else "direct"

    def run(networks):
        rows = sample.simulate(case, x, 7, 0, networks, method=method, plan=plan).rows
        return np.stack([rows[name] for name in names], axis=1)

    return run, ("mcflow", "numba", "numpy")


def make_torch(law, n, depth, batch, chunk):
    """A chunk of networks at once, layer by layer, into buffers that are used again; the backward pass by hand."""
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    x0 = torch.from_numpy(inputs(n, batch))
    weights = [torch.empty(chunk, n, n) for _ in range(depth)]
    std = math.sqrt(2.0 / n)
    bound = std * math.sqrt(3.0)

    def one_chunk():
        out = torch.empty(chunk, 4, depth)
        x, masks = x0.expand(chunk, batch, n), []
        for layer, w in enumerate(weights):
            if law == "uniform":
                w.uniform_(-bound, bound)
            else:
                w.normal_(0.0, std)
            h = torch.bmm(x, w.transpose(1, 2))
            x = torch.relu(h)
            masks.append(x > 0)
            for place, values in enumerate((h, h.square(), x.square())):
                out[:, place, layer] = values.mean(dim=(1, 2))
        d = torch.randn(chunk, batch, n) * masks[-1]
        out[:, 3, depth - 1] = d.square().mean(dim=(1, 2))
        for layer in range(depth - 1, 0, -1):
            d = torch.bmm(d, weights[layer]) * masks[layer - 1]
            out[:, 3, layer - 1] = d.square().mean(dim=(1, 2))
        return out.numpy()

    return lambda networks: np.concatenate([one_chunk() for _ in range(-(-networks // chunk))]), ("torch", "numpy")


def make_torch_naive(law, n, depth, batch, chunk):
    """The usual loop: a module for each network, hooks that record, autograd."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    x0 = torch.from_numpy(inputs(n, batch))

    def one():
        out = np.empty((4, depth))
        layers = []
        for layer in range(depth):
            linear, relu = nn.Linear(n, n, bias=False), nn.ReLU()
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")

            def on_linear(module, given, h, layer=layer):
                out[0, layer], out[1, layer] = h.mean().item(), h.square().mean().item()

                def on_gradient(d):
                    out[3, layer] = d.square().mean().item()

                h.register_hook(on_gradient)

            def on_relu(module, given, x, layer=layer):
                out[2, layer] = x.square().mean().item()

            linear.register_forward_hook(on_linear)
            relu.register_forward_hook(on_relu)
            layers += [linear, relu]
        y = nn.Sequential(*layers)(x0)
        y.backward(torch.randn(batch, n))
        return out

    return lambda networks: np.stack([one() for _ in range(networks)]), ("torch", "numpy")


def make_jax(law, n, depth, batch, chunk):
    """vmap over a chunk of networks, scan over layers forward and backward, compiled as one."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_threefry_partitionable", False)  # the faster of its two ways to draw
    x0, std = jnp.asarray(inputs(n, batch)), math.sqrt(2.0 / n)

    def forward(x, key):
        if law == "uniform":
            bound = std * math.sqrt(3.0)
            w = jax.random.uniform(key, (n, n), jnp.float32, -bound, bound)
        else:
            w = std * jax.random.normal(key, (n, n), jnp.float32)
        h = x @ w.T
        x = jax.nn.relu(h)
        return x, (w, h > 0, jnp.stack([h.mean(), (h**2).mean(), (x**2).mean()]))

    def backward(d, layer):
        w, mask = layer
        d = d * mask
        return d @ w, (d**2).mean()

    def network(key):
        first, second = jax.random.split(key)
        _, (weights, masks, moments) = jax.lax.scan(forward, x0, jax.random.split(first, depth))
        v = jax.random.normal(second, (batch, n), jnp.float32)
        _, squares = jax.lax.scan(backward, v, (weights, masks), reverse=True)
        return jnp.concatenate([moments.T, squares[None]])

    compiled = jax.jit(jax.vmap(network))
    state = {"key": jax.random.key(0)}

    def one_chunk():
        state["key"], key = jax.random.split(state["key"])
        return np.asarray(compiled(jax.random.split(key, chunk)))

    return lambda networks: np.concatenate([one_chunk() for _ in range(-(-networks // chunk))]), ("jax", "numpy")


def make_numpy(law, n, depth, batch, chunk):
    """A plain loop with the fastest of NumPy's generators, into buffers that are used again."""
    generator = np.random.Generator(np.random.SFC64(3))
    timing.one_thread_of_blas()
    x0, std = inputs(n, batch), np.float32(math.sqrt(2.0 / n))
    weights = [np.empty((n, n), np.float32) for _ in range(depth)]

    def square(values):
        return np.dot(values.ravel(), values.ravel()) / values.size

    def one():
        out, x, masks = np.empty((4, depth)), x0, []
        for layer, w in enumerate(weights):
            if law == "uniform":
                generator.random(out=w, dtype=np.float32)
                w -= np.float32(0.5)
                scale = std * np.float32(math.sqrt(12.0))
            else:
                generator.standard_normal(out=w, dtype=np.float32)
                scale = std
            h = (x @ w.T) * scale
            x = np.maximum(h, 0)
            masks.append(h > 0)
            out[:3, layer] = h.mean(), square(h), square(x)
        d = generator.standard_normal((batch, n), dtype=np.float32) * masks[-1]
        out[3, -1] = square(d)
        for layer in range(depth - 1, 0, -1):
            d = (d @ weights[layer]) * scale * masks[layer - 1]
            out[3, layer - 1] = square(d)
        return out

    return lambda networks: np.stack([one() for _ in range(networks)]), ("numpy",)


def make_numpy_collapsed(law, n, depth, batch, chunk):
    """mcflow's own collapsed algorithm as a plain NumPy loop: what the kernels add to the idea."""
    generator = np.random.Generator(np.random.SFC64(3))
    timing.one_thread_of_blas()
    x0, std = inputs(n, batch), np.float32(math.sqrt(2.0 / n))

    def normals():
        return generator.standard_normal((batch, n), dtype=np.float32)

    def square(values):
        return np.dot(values.ravel(), values.ravel()) / values.size

    def factors(rows):
        """(q, r) with orthonormal columns of q and rows = r.T @ q.T; for one row its direction and its norm."""
        if batch > 1:
            return np.linalg.qr(rows.T)
        norm = np.sqrt(np.dot(rows[0], rows[0]))
        return rows.T / norm, norm.reshape(1, 1)

    def one():
        out, x, tape = np.empty((4, depth)), x0, []
        for layer in range(depth):
            (q, r), z = factors(x), normals()
            h = (std * r.T) @ z
            x = np.maximum(h, 0)
            tape.append((q, z, h > 0))
            out[:3, layer] = h.mean(), square(h), square(x)
        d = normals() * tape[-1][2]
        out[3, -1] = square(d)
        for layer in range(depth - 1, 0, -1):
            q, z, _ = tape[layer]
            free = factors(d)[1].T @ normals()  # W is known along q alone; elsewhere it is drawn as d meets it
            d = std * (free + (d @ z.T - free @ q) @ q.T) * tape[layer - 1][2]
            out[3, layer - 1] = square(d)
        return out

    return lambda networks: np.stack([one() for _ in range(networks)]), ("numpy",)


MAKERS = {
    "mcflow": make_mcflow,
    "torch": make_torch,
    "torch-naive": make_torch_naive,
    "jax": make_jax,
    "numpy": make_numpy,
    "numpy-collapsed": make_numpy_collapsed,
}


def check(rows, n, depth, batch):
    """SystemExit unless the first and last layers have the second moments that He weights keep.

    (1 + 5 / n)^l is the growth of E q^2 for one input (Hanin & Nica 2018): the standard error of l layers' mean.
    """
    layers = np.arange(1, depth + 1)
    spread = {
        side: np.sqrt(((1 + 5 / n) ** (steps + 2) - 1) / len(rows))
        for side, steps in (("x", layers), ("d", layers[::-1]))
    }
    for place, expected, side in ((1, 2.0, "x"), (2, 1.0, "x"), (3, 0.5, "d")):
        z = (rows[:, place].mean(axis=0) / expected - 1.0) / spread[side]
        if not np.abs(z).max() < 6.0:
            raise SystemExit(f"wrong second moments: quantity {place}, |z| = {np.abs(z).max():.1f}")


def child(options):
    run, modules = MAKERS[options.child](options.law, options.width, options.depth, options.batch, options.chunk)
    clock = timing.CLOCKS[options.clock]
    run(options.chunk)
    networks = options.chunk
    while True:  # as many networks as fill the time asked for
        start = clock()
        rows = run(networks)
        elapsed = clock() - start
        if elapsed > 0.5 * options.seconds:
            break
        networks = max(networks * 2, int(networks * options.seconds / max(elapsed, 1e-6) * 0.9))
        networks = -(-networks // options.chunk) * options.chunk
    while len(rows) < 24:
        rows = np.concatenate([rows, run(options.chunk)])
    check(rows, options.width, options.depth, options.batch)
    timed = timing.in_rounds({"run": lambda: run(networks)}, repeats=options.repeats, clock=options.clock)["run"]
    rate = networks * options.depth / timed.seconds
    print(json.dumps({"rate": rate, "clean": timed.clean, "spread": timed.spread, "machine": timing.machine(*modules)}))


def ask(peer, law, batch, options):
    """What a peer's own process says of one case: a dict, or None where it cannot run."""
    python = sys.executable if peer == "mcflow" else options.python
    command = [python, __file__, "--child", peer, "--law", law, "--batch", batch, "--width", options.width]
    command += ["--depth", options.depth, "--seconds", options.seconds, "--clock", options.clock]
    command += ["--repeats", options.repeats, "--chunk", 16 if peer == "mcflow" else options.chunk]
    one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    one["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    pin = {"preexec_fn": lambda: os.sched_setaffinity(0, {options.pin})} if options.pin is not None else {}
    done = subprocess.run(list(map(str, command)), env=os.environ | one, capture_output=True, text=True, **pin)
    if done.returncode:
        print(f"{peer}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(options):
    print(f"width {options.width}, depth {options.depth}, forward and backward, one core, {options.clock} time")
    print(f"{'case':20s} {'peer':15s} {'layers/s':>12s} {'mcflow over it':>15s}")
    told = set()
    for name in options.cases.split(","):
        for batch in CASES[name]:
            law = name if name != "direct" else "normal"
            peers = [peer for peer in options.peers.split(",") if name in ONLY.get(peer, CASES)]
            answers = {peer: [] for peer in ["mcflow", *peers]}
            for _ in range(options.rounds):
                for peer, found in answers.items():
                    found.append(ask(peer, law, batch, options))
            for peer, found in answers.items():
                found = [answer for answer in found if answer]
                if not found:
                    continue
                rate = statistics.median(answer["rate"] for answer in found)
                own = [answer["rate"] for answer in answers["mcflow"] if answer]
                ratio = "" if peer == "mcflow" or not own else f"{statistics.median(own) / rate:.2f} x"
                noisy = "  noisy" if min(answer["clean"] for answer in found) < 3 else ""
                print(f"{name + f', K = {batch}':20s} {peer:15s} {rate:12,.0f} {ratio:>15s}{noisy}", flush=True)
                told |= {answer["machine"] for answer in found}
    print(*sorted(told), sep="\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has the peers")
    parser.add_argument("--peers", default=",".join(PEERS[1:]))
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="least time of one repeat")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument(
        "--chunk", type=int, default=1, help="networks that a peer runs at once (1 is fastest at width 512)"
    )
    parser.add_argument("--clock", choices=timing.CLOCKS, default="wall")
    parser.add_argument("--pin", type=int, help="the processor that every process is bound to")
    parser.add_argument("--child", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--law", default="normal", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options)
    else:
        compare(options)


if __name__ == "__main__":
    main()
