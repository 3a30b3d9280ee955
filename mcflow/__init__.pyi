from . import activations, layers, quantities, schemes, theory
from .answers.comparison import compare
from .answers.recommendation import recommend
from .answers.table import export
from .answers.verdicts import verify
from .errors import InputError, Unfinished
from .files.reading import open
from .files.result import Result
from .model.case import Case
from .model.study import Study, default_study
from .pages.page import report
from .plots import plot
from .reproductions.reproduction import reproduce
from .running.interrupts import Interrupted
from .running.merging import merge
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
    "compare",
    "default_study",
    "draw",
    "export",
    "layers",
    "merge",
    "open",
    "plot",
    "predict",
    "quantities",
    "recommend",
    "report",
    "reproduce",
    "run",
    "schemes",
    "theory",
    "verify",
]
