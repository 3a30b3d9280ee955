from . import activations, quantities, schemes, theory
from .answers.verdicts import verify
from .errors import InputError, Unfinished
from .files.reading import open
from .files.result import Result
from .model.case import Case
from .model.study import Study, default_study
from .running.interrupts import Interrupted
from .running.run import run
from .sampling.network import Network, draw
from .theory.prediction import predict
from .version import __version__

__all__ = [
    "Case",
    "InputError",
    "Interrupted",
    "Network",
    "Result",
    "Study",
    "Unfinished",
    "__version__",
    "activations",
    "default_study",
    "draw",
    "open",
    "predict",
    "quantities",
    "run",
    "schemes",
    "theory",
    "verify",
]
