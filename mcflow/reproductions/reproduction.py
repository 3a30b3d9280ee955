"""The list of classic results, and how one is run again, judged, drawn and kept."""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mcflow import markup, plots
from mcflow.errors import InputError, nearest
from mcflow.plots import style
from mcflow.reproductions.claims import Claim, Published

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
class Reproduction:
    """A classic result run again: the study's result, the claims judged, and the picture (None without matplotlib)."""

    name: str
    title: str
    result: Result
    claims: tuple[Claim, ...]
    figure: Figure | None

    @property
    def reproduced(self) -> bool:
        """Whether every claim is."""
        return all(claim.reproduced for claim in self.claims)

    @property
    def sentence(self) -> str:
        """The title and the verdict."""
        return f"{self.title}: {'reproduced' if self.reproduced else 'NOT reproduced'}"

    def __repr__(self) -> str:
        """What a prompt shows: the same as a notebook, as plain text."""
        return "\n  ".join([self.sentence, *(claim.sentence() for claim in self.claims)])

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, and each claim with both numbers."""
        claims = markup.lines(claim.sentence() for claim in self.claims)
        return f"<p><strong>{markup.text(self.sentence)}</strong></p>{claims}"

    def record(self) -> dict[str, Any]:
        """The verdict as plain data."""
        claims = [asdict(claim) | {"reproduced": claim.reproduced} for claim in self.claims]
        return {"name": self.name, "title": self.title, "reproduced": self.reproduced, "claims": claims}


def reproduce(
    name: str, path: str | Path | None = None, *, draw: bool | None = None, folder: str | Path | None = None
) -> Reproduction:
    """Run the study of a classic result again and judge it against what was published.

    ``path`` keeps the study's file, ``folder`` takes study.toml, the picture and a README of what was found. ``draw``
    None makes the picture where matplotlib is there. Raises InputError for an unknown name (the error lists them), a
    picture that was asked for without matplotlib, or a place that cannot be written.
    """
    if name not in FIGURES:
        raise InputError(f"unknown figure {name!r}; {nearest(str(name), FIGURES)}")
    from mcflow.running.run import run

    if draw or (draw is None and folder is not None):
        style.require_matplotlib()
    module = cast(Published, importlib.import_module(f"mcflow.reproductions.{name}"))
    result = run(module.study(), path, overwrite=path is not None)
    claims = tuple(module.judge(result))
    figure = None
    if draw if draw is not None else style.have_matplotlib():
        with style.applied():
            figure = module.figure(result)
    found = Reproduction(name, FIGURES[name], result, claims, figure)
    if folder is not None:
        _keep(found, Path(folder))
    return found


def _keep(found: Reproduction, folder: Path) -> None:
    """Write study.toml, the picture and what was found into ``folder``. InputError where it cannot be written."""
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
