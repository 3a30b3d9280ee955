"""One self-contained HTML page of a study: verdicts first, then pictures, tables, configuration, how to repeat it."""

from __future__ import annotations

import base64
import html
import io
import math
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow import plots
from mcflow.answers.comparison import Comparison, Entry, compare
from mcflow.answers.verdicts import Verification, verify
from mcflow.errors import InputError
from mcflow.files.atomic import write_atomically
from mcflow.plots import style
from mcflow.plural import counted
from mcflow.statistics import magnitudes

if TYPE_CHECKING:
    from mcflow.files.result import Result
    from mcflow.plots.style import Figure

LARGEST_SVG = 600_000  # bytes; a larger picture is embedded as PNG

STYLE = """
:root { --ink: #1d2126; --dim: #5b6570; --paper: #ffffff; --card: #f5f6f8; --line: #d9dde2; --good: #1a6b3c;
  --bad: #a32020; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --dim: #9aa4ae; --paper: #14171a; --card: #1d2125;
  --line: #353b42; --good: #6fcf97; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.2rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0.2rem 0; } h2 { font-size: 1.15rem; margin: 2rem 0 0.6rem; }
p, li { max-width: 48rem; } .dim { color: var(--dim); font-size: 0.9rem; }
.cards { display: grid; gap: 0.7rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-left: 5px solid var(--good); border-radius: 6px;
  padding: 0.7rem 0.9rem; } .card.bad { border-left: 5px double var(--bad); }
.card h3 { font-size: 1rem; margin: 0 0 0.2rem; } .card p { margin: 0.2rem 0; font-size: 0.9rem; }
.card summary { font-size: 0.85rem; color: var(--dim); }
.verdict { font-weight: 600; color: var(--good); } .bad .verdict { color: var(--bad); }
figure { margin: 1rem 0; background: #ffffff; border: 1px solid var(--line); border-radius: 6px; padding: 0.6rem;
  overflow-x: auto; }
figure svg, figure img { display: block; width: 100%; height: auto; min-width: 34rem; }
figcaption { color: #4a545e; font-size: 0.9rem; padding-top: 0.4rem; position: sticky; left: 0; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } tr.bad td { color: var(--bad); font-weight: 600; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 0.8rem; overflow-x: auto;
  font-size: 0.85rem; white-space: pre-wrap; }
summary { cursor: pointer; }
@media print { body { max-width: none; padding: 0; font-size: 11px; color: #000; background: #fff; }
  .card, figure, pre, tr { break-inside: avoid; background: #fff; } h2, h3, summary { break-after: avoid; }
  .wide, figure { overflow: visible; }
  details::details-content { content-visibility: visible; block-size: auto; }  /* paper has nothing to click on */
  figure svg, figure img { min-width: 0; max-height: 20cm; width: auto; max-width: 100%; } }
"""


def report(result: Result, file: str, note: str = "") -> str:
    """The page as HTML text: no network, no script. ``file`` is the name that the commands to repeat it carry."""
    found = verify(result, note=note)
    ranking, lacking = _compared(result)
    title = f"mcflow: {Path(file).name}"
    parts = [
        f"<h1>{_text(title)}</h1>",
        f'<p class="dim">{_text(_summary(result))}</p>',
        *(f"<p><strong>{_text(line)}</strong></p>" for line in [note] if line),
        "<h2>Does theory hold?</h2>",
        f"<p>{_text(_headline(found))}</p>",
        '<div class="cards">' + "".join(_cards(found)) + "</div>",
        "<h2>Which scheme keeps the signal flowing?</h2>",
        *(_rankings(ranking) if ranking is not None else [f"<p>{_text(lacking)}</p>"]),
        "<h2>Pictures</h2>",
        *_pictures(result),
        "<h2>Measured and predicted</h2>",
        *_tables(found),
        "<h2>Configuration</h2>",
        f"<pre>{_text(str(result.attrs['study']))}</pre>",
        _provenance(result),
        "<h2>How to repeat it</h2>",
        f"<pre>{_text(_again(file))}</pre>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def write(result: Result, path: Path, file: str, note: str = "") -> None:
    """Write the page; InputError where it cannot be."""
    page = report(result, file, note).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, page)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; name another -o") from None


def _text(text: str) -> str:
    return html.escape(text, quote=True)


def _summary(result: Result) -> str:
    attrs = result.attrs
    size = f"{counted(len(result), 'case')}, {counted(int(attrs['networks']), 'network')} each"
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
        lines = [verdict.equal]
        for wrong, networks in verdict.networks_for_gain.items():
            if math.isfinite(networks):
                needed = max(2, math.ceil(networks))
                lines.append(f"a gain wrong by {100 * wrong:g} % would show at about {needed} networks")
        more = "".join(f"<p>{_text(line)}</p>" for line in [*lines[1:], *verdict.warnings])
        body = f"<p>{_text(lines[0])}</p><details><summary>what this rests on</summary>{more}</details>"
        mark = "" if verdict.consistent else " bad"
        yield (
            f'<div class="card{mark}"><h3>{_text(verdict.case)}</h3>'
            f'<p class="verdict">{_text(verdict.sentence)}</p>{body}</div>'
        )


def _compared(result: Result) -> tuple[Comparison | None, str]:
    try:
        return compare([result]), ""
    except InputError as error:
        return None, str(error)


def _rankings(found: Comparison) -> Iterable[str]:
    if found.rules:
        lines = (f"<li>{_text(f'{rule.rule}: {rule.verdict} ({rule.number})')}</li>" for rule in found.rules)
        yield "<ul>" + "".join(lines) + "</ul>"
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


def _pictures(result: Result) -> Iterable[str]:
    for name, caption in plots.FIGURES.items():
        try:
            drawn = plots.draw(name, result)
        except plots.NothingToDraw as reason:
            yield f'<p class="dim">{_text(f"{name}: {reason}")}</p>'
            continue
        yield f"<figure>{_embedded(drawn, caption)}<figcaption>{_text(caption)}</figcaption></figure>"


def _embedded(drawn: Figure, caption: str) -> str:
    with style.applied():
        target = io.BytesIO()
        drawn.savefig(target, format="svg", metadata={"Date": None})
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
    top = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head)
    body = ""
    for number, row in enumerate(rows):
        mark = ' class="bad"' if number < len(marked) and marked[number] else ""
        body += f"<tr{mark}>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>"
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _provenance(result: Result) -> str:
    keys = ("python_version", "numpy_version", "numba_version", "hdf5_version", "platform", "inputs_sha256")
    methods = {f"method of {name}": result[name].attrs["method"] for name in result.names}
    rows = [[key, str(value)] for key, value in ({key: result.attrs[key] for key in keys} | methods).items()]
    return _table(("", ""), rows)


def _again(file: str) -> str:
    name = shlex.quote(Path(file).name)
    return (
        f"# save the configuration above as study.toml\nmcflow run study.toml -o {name}\n"
        f"mcflow verify {name}\nmcflow report {name}"
    )
