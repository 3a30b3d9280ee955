"""One self-contained HTML page of a study: verdicts first, then pictures, tables, configuration, how to repeat it."""

from __future__ import annotations

import base64
import io
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow import markup, plots
from mcflow.answers import crew
from mcflow.answers.allowances import Sayings
from mcflow.answers.comparison import Comparison, Entry, rank
from mcflow.answers.subject import Subject
from mcflow.answers.verdicts import Verification, judge
from mcflow.errors import InputError, as_path, option
from mcflow.files.atomic import write_atomically
from mcflow.files.reading import open_study
from mcflow.files.result import Result, require_result
from mcflow.markup import text as _text
from mcflow.plots import style
from mcflow.plural import counted
from mcflow.statistics import magnitudes
from mcflow.theory import stack

if TYPE_CHECKING:
    from mcflow.plots.style import Figure

LARGEST_SVG = 600_000  # bytes; a larger picture is embedded as PNG


def report(
    result: Result | str | Path, path: str | Path | None = None, *, tell: Callable[[str], None] | None = None
) -> Path:
    """Write one self-contained HTML page of a study and return its path: no network, no script.

    Verdicts, rankings, pictures, tables, configuration, and how to repeat it. ``result`` is what mcflow.run or
    mcflow.open gave, or a file, also of a run that still goes; ``path`` None is its name with .html. ``tell`` is told,
    again and again, in a few words what is being done. Raises
    InputError without matplotlib, for what is no study, one network only, another ending than .html or .htm, or a
    path that cannot be written.
    """
    style.require_matplotlib()
    if path is not None and as_path(path).suffix not in (".html", ".htm"):
        raise InputError(f"{str(path)!r}: a page is named .html")
    if isinstance(result, (str, Path)):
        opened = open_study(result)
        with opened.result as found:
            return _write(_subject(found, tell), Path(result), path, opened.note)
    require_result(result, "report")
    if result.path is None and path is None:
        raise InputError("the result is in memory and has no name; give the page one, as in 'page.html'")
    return _write(_subject(result, tell), result.path or Path(str(path)).with_suffix(".h5"), path, "")


def _subject(result: Result, tell: Callable[[str], None] | None) -> Subject:
    return Subject(result) if tell is None else Subject(result, tell)


def _write(subject: Subject, file: Path, path: str | Path | None, note: str) -> Path:
    path = file.with_suffix(".html") if path is None else Path(path)
    with crew.hired(subject):
        page = text(subject, str(file), note).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, page)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; name another {option('path')}") from None
    return path


def text(subject: Subject, file: str, note: str = "") -> str:
    """The page as HTML text. ``file`` is the name that the commands to repeat it carry."""
    found = replace(subject.once(judge), notes=(note,) if note else ())
    ranking, lacking = _compared(subject)
    title = f"mcflow: {Path(file).name}"
    look = (resources.files("mcflow.pages") / "page.css").read_text(encoding="utf-8")
    parts = [
        f"<h1>{_text(title)}</h1>",
        f'<p class="dim">{_text(_summary(subject))}</p>',
        *(f"<p><strong>{_text(line)}</strong></p>" for line in [note] if line),
        "<h2>Does theory hold?</h2>",
        f"<p>{_text(_headline(found))}</p>",
        '<div class="cards">' + "".join(_cards(found)) + "</div>",
        "<h2>Which scheme keeps the signal flowing?</h2>",
        *(_rankings(ranking) if ranking is not None else [f"<p>{_text(lacking)}</p>"]),
        "<h2>Pictures</h2>",
        *_pictures(subject),
        "<h2>Measured and predicted</h2>",
        *_tables(found),
        "<h2>Configuration</h2>",
        f"<pre>{_text(str(subject.attrs['study']))}</pre>",
        _provenance(subject),
        "<h2>How to repeat it</h2>",
        f"<pre>{_text(_again(file))}</pre>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{look}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _summary(subject: Subject) -> str:
    attrs = subject.attrs
    size = f"{counted(len(subject.names), 'case')}, {counted(int(attrs['networks']), 'network')} each"
    return (
        f"{size}, seed {attrs['seed']}, {attrs['device']}, "
        f"made {attrs['created_utc']} by mcflow {attrs['mcflow_version']}"
    )


def _headline(found: Verification) -> str:
    passed, tests = sum(found.consistent.values()), sum(row.judged for row in found.tests)
    cases = counted(len(found.verdicts), "case")
    return (
        f"{passed} of {cases} consistent with theory, by {counted(tests, 'test')}; the chance of "
        f"any false alarm on this page is under {100 * found.alpha:g} % (Holm)."
    )


def _cards(found: Verification) -> Iterable[str]:
    for verdict in found.verdicts:
        equal, *rest = verdict.lines
        more = "".join(f"<p>{_text(line)}</p>" for line in rest)
        body = f"<p>{_text(equal)}</p><details><summary>what this rests on</summary>{more}</details>"
        mark = "" if verdict.consistent else " bad"
        yield (
            f'<div class="card{mark}"><h3>{_text(verdict.case)}</h3>'
            f'<p class="verdict">{_text(verdict.sentence)}</p>{body}</div>'
        )


def _compared(subject: Subject) -> tuple[Comparison | None, str]:
    try:
        return rank([subject]), ""
    except InputError as error:
        return None, str(error)


def _rankings(found: Comparison) -> Iterable[str]:
    if found.rules:
        yield markup.lines(rule.sentence for rule in found.rules)
    head = ("case", "activations, factor per layer", "gradients, factor per layer", "float16 left at layer", "dead")
    for activation, entries in found.rankings.items():
        yield f"<h3>{_text(activation)}</h3>" + _table(head, [_ranking_cells(entry) for entry in entries])


def _ranking_cells(entry: Entry) -> list[str]:
    cells = [entry.case]
    for growth in (entry.activations, entry.gradients):
        cells.append("" if growth is None else f"{growth.per_layer:.4g} [{growth.low:.4g}, {growth.high:.4g}]")
    reaches = [growth.reaches["float16"] for growth in (entry.activations, entry.gradients) if growth is not None]
    known = [reach for reach in reaches if reach is not None]
    first = min(known, default=None)
    return [*cells, "never" if first is None else f"{first[0]:.0f} ({first[1]})", f"{100 * entry.dead:.3g} %"]


def _pictures(subject: Subject) -> Iterable[str]:
    names = list(plots.FIGURES)
    said = {name: subject.prediction(name).sayings for name in subject.names}
    look = style.own_settings()
    # the map of z needs the verdicts, which this process has
    yield from crew.answers(subject, picture, [(name, said, look) for name in names], own=[names.index("zscores")])


def picture(subject: Subject, name: str, said: dict[str, Sayings], look: dict[str, Any]) -> str:
    """One figure, or why there is none, as HTML; ``said`` is what theory says of every case, ``look`` settings."""
    for case, sayings in said.items():
        subject.learn(case, None, sayings.beside(stack.of_case(subject.case(case), subject.inputs(case))))
    subject.tell(f"drawing {name}")
    caption = plots.FIGURES[name]
    with style.as_set(look):
        try:
            drawn = plots.draw(subject, name)
        except plots.NothingToDraw as reason:
            return f'<p class="dim">{_text(f"{name}: {reason}")}</p>'
        return f"<figure>{_embedded(drawn, caption)}<figcaption>{_text(caption)}</figcaption></figure>"


def _embedded(drawn: Figure, caption: str) -> str:
    with style.applied():
        target = io.BytesIO()
        drawn.savefig(target, format="svg", metadata={"Date": None})
        drawn.set_layout_engine("none")  # it is laid out now: once is enough
        if len(target.getvalue()) <= LARGEST_SVG:
            text = target.getvalue().decode()
            picture = base64.b64encode(text[text.index("<svg") :].encode()).decode()
            kind = "image/svg+xml"
        else:
            target = io.BytesIO()
            drawn.savefig(target, format="png")
            picture, kind = base64.b64encode(target.getvalue()).decode(), "image/png"
    # an image, not inline elements: the identifiers inside two SVG pictures would meet
    return f'<img alt="{_text(caption)}" src="data:{kind};base64,{picture}">'


def _tables(found: Verification) -> Iterable[str]:
    head = ("quantity", "of", "layer", "measured", "standard error", "predicted", "tier", "z", "difference", "p (Holm)")
    for verdict in found.verdicts:
        rows = [row for row in found.tests if row.case == verdict.case]
        worst: dict[tuple[str, str], Any] = {}
        for row in sorted(rows, key=lambda row: 2.0 if row.p is None else row.p):
            worst.setdefault((row.quantity, row.statistic), row)
        cells, marks = [], []
        for row in worst.values():
            relative = "" if row.relative_difference is None else f"{100 * row.relative_difference:+.3g} %"
            z = "" if row.z is None else f"{row.z:+.2f}"
            p = row.why if row.p_adjusted is None else f"{row.p_adjusted:.2g}"
            name, of = row.quantity.replace("_", " "), row.statistic.replace("_", " ")
            shown = (row.measured, row.standard_error, row.predicted)
            numbers = [magnitudes.text(x, row.exponent, 5) for x in shown]
            cells.append([name, of, str(row.layer), *numbers, row.tier, z, relative, p])
            marks.append(row.rejected)
        opened = "" if verdict.consistent else " open"
        yield (
            f"<details{opened}><summary>{_text(verdict.case)}: the worst layer of each quantity</summary>"
            f"{_table(head, cells, marks)}</details>"
        )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], marked: Sequence[bool] = ()) -> str:
    return f'<div class="wide">{markup.table(head, rows, marked)}</div>'


def _provenance(subject: Subject) -> str:
    keys = ("python_version", "numpy_version", "numba_version", "hdf5_version", "platform", "inputs_sha256")
    methods = {f"method of {name}": subject[name].attrs["method"] for name in subject.names}
    rows = [[key, str(value)] for key, value in ({key: subject.attrs[key] for key in keys} | methods).items()]
    return _table(("", ""), rows)


def _again(file: str) -> str:
    name = shlex.quote(Path(file).name)
    return (
        f"# save the configuration above as study.toml\nmcflow run study.toml -o {name}\n"
        f"mcflow verify {name}\nmcflow report {name}"
    )
