"""What each built-in activation is: its formula as arithmetic of h (and a, its parameter), and a word on it."""

from __future__ import annotations

DESCRIPTIONS: dict[str, tuple[str, str]] = {
    "celu": ("max(h, 0) + min(a (exp(h / a) - 1), 0)", "ELU with slope 1 at zero for every a (Barron 2017)"),
    "elu": ("max(h, 0) + min(a (exp(h) - 1), 0)", "exponential linear unit (Clevert et al. 2015)"),
    "erf": ("erf(h)", "the error function: mean field theory in closed form"),
    "gelu": ("h (1 + erf(h / sqrt(2))) / 2", "Gaussian error linear unit (Hendrycks & Gimpel 2016)"),
    "gelu_tanh": ("h (1 + tanh(sqrt(2 / pi) (h + 0.044715 h**3))) / 2", "GELU as GPT-2 and BERT compute it"),
    "hardsigmoid": ("min(max(h / 6 + 1 / 2, 0), 1)", "piecewise linear sigmoid"),
    "hardswish": ("h min(max(h + 3, 0), 6) / 6", "SiLU of mobile networks (Howard et al. 2019)"),
    "hardtanh": ("min(max(h, -1), 1)", "piecewise linear tanh"),
    "identity": ("h", "a deep linear network"),
    "leaky_relu": ("max(h, 0) + a min(h, 0)", "ReLU with a slope below zero (Maas et al. 2013)"),
    "mish": ("h tanh(log(1 + exp(h)))", "smooth, not monotone (Misra 2019)"),
    "prelu": ("max(h, 0) + a min(h, 0)", "leaky ReLU at its initial slope (He et al. 2015)"),
    "relu": ("max(h, 0)", "rectified linear unit"),
    "relu6": ("min(max(h, 0), 6)", "ReLU cut at 6"),
    "selu": (
        "1.0507009873554805 (max(h, 0) + 1.6732632423543772 min(exp(h) - 1, 0))",
        "ELU with a fixed point at mean 0, variance 1 (Klambauer et al. 2017)",
    ),
    "sigmoid": ("1 / (1 + exp(-h))", "logistic function"),
    "silu": ("h / (1 + exp(-h))", "swish (Elfwing et al. 2017; Ramachandran et al. 2017)"),
    "sin": ("sin(h)", "sine; weights' scale is its frequency (Sitzmann et al. 2020)"),
    "softplus": ("log(1 + exp(h))", "smooth ReLU"),
    "softsign": ("h / (1 + abs(h))", "bounded, with slow tails (Glorot & Bengio 2010)"),
    "squared_relu": ("max(h, 0)**2", "no scheme keeps it over depth (So et al. 2021)"),
    "tanh": ("tanh(h)", "hyperbolic tangent"),
}
