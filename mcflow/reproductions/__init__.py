"""Classic results of the field as small studies, one a file, each judged against the published statement."""

from __future__ import annotations

import importlib
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow.errors import InputError, nearest

if TYPE_CHECKING:
    from mcflow.files.result import Result
    from mcflow.plots.style import Figure

FIGURES = {
    "glorot_bengio_2010": "Activation and gradient flow of tanh: standard against normalised initialisation",
    "he_2015": "ReLU networks of 22 and 30 layers: Xavier stalls, Kaiming does not",
    "klambauer_2017": "SELU: mean 0 and variance 1 are a fixed point that attracts",
    "poole_2016": "The correlation of two inputs: order and chaos",
    "schoenholz_2017": "Depth scales: correlations approach their fixed point exponentially",
    "pennington_2017": "tanh with orthogonal against Gaussian weights: isometry",
    "hanin_rolnick_2018": "Fluctuations between networks grow with the sum of 1/width",
    "hanin_nica_2018": "The log-normal law of ReLU networks at a fixed ratio of depth to width",
}


@dataclass(frozen=True)
class Claim:
    """A published statement as a number, and what was measured; reproduced where they differ by ``tolerance`` at most.

    ``bound`` is ``""`` for an equality, ``"at most"`` or ``"at least"``: then ``published`` is that bound.
    """

    statement: str
    source: str
    published: float
    measured: float
    standard_error: float
    tolerance: float = 0.0
    bound: str = ""

    @property
    def reproduced(self) -> bool:
        if not math.isfinite(self.measured):
            return False
        if self.bound:
            side = 1.0 if self.bound == "at most" else -1.0
            return side * (self.measured - self.published) <= self.tolerance
        return abs(self.measured - self.published) <= self.tolerance

    def sentence(self) -> str:
        """One line: the statement, both numbers and the verdict."""
        within = f" (within {self.tolerance:.2g})" if self.tolerance and not self.bound else ""
        bound = f"{self.bound} " if self.bound else ""
        return (
            f"{'reproduced' if self.reproduced else 'NOT reproduced'}: {self.statement}: {self.source} says "
            f"{bound}{self.published:.4g}{within}, measured {self.measured:.4g} ± {self.standard_error:.1g}"
        )


@dataclass(frozen=True)
class Reproduction:
    """A classic result run again: the study's result, the claims judged, and the picture (None without matplotlib)."""

    name: str
    title: str
    result: Result
    claims: tuple[Claim, ...]
    figure: Figure | None

    @property
    def reproduced(self) -> bool:
        return all(claim.reproduced for claim in self.claims)

    def record(self) -> dict[str, Any]:
        """The verdict as plain data."""
        claims = [asdict(claim) | {"reproduced": claim.reproduced} for claim in self.claims]
        return {"name": self.name, "title": self.title, "reproduced": self.reproduced, "claims": claims}


def reproduce(name: str, path: Path | None = None, draw: bool = True) -> Reproduction:
    """Run the study of a classic result and judge it; ``path`` keeps its file. InputError for an unknown name."""
    if name not in FIGURES:
        raise InputError(f"unknown figure {name!r}; {nearest(name, FIGURES)}")
    from mcflow.plots import style
    from mcflow.running.run import run

    module = importlib.import_module(f"mcflow.reproductions.{name}")
    result = run(module.study(), path, overwrite=path is not None)
    claims = tuple(module.judge(result))
    figure = None
    if draw:
        style.require_matplotlib()
        with style.applied():
            figure = module.figure(result)
    return Reproduction(name, FIGURES[name], result, claims, figure)


def keep(found: Reproduction, folder: Path) -> None:
    """Write study.toml, the picture and what was found into ``folder``. InputError where it cannot be written."""
    from mcflow import plots

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "study.toml").write_text(found.result.study.to_toml(), encoding="utf-8")
        (folder / "README.md").write_text(_readme(found), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from None
    if found.figure is not None:
        plots.save(found.figure, folder / f"{found.name}.png")


def _readme(found: Reproduction) -> str:
    module = importlib.import_module(f"mcflow.reproductions.{found.name}")
    about = " ".join((module.__doc__ or "").split("\n\n", 1)[-1].split())
    verdict = "Reproduced." if found.reproduced else "Not reproduced."
    lines = [f"# {found.title}", "", about, "", f"![{found.title}]({found.name}.png)", "", f"**{verdict}**", ""]
    lines += [f"- {claim.sentence()}" for claim in found.claims]
    lines += ["", f"Again: `mcflow reproduce {found.name}`, or the study alone: `mcflow run study.toml`.", ""]
    return "\n".join(lines)
