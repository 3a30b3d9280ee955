"""The documents agree with the code: the file's format, the README's commands, the options they name."""

import re
import shlex
from pathlib import Path

import click
import pytest

from mcflow.cli import LazyGroup, cli
from mcflow.files import schema

ROOT = Path(__file__).parents[2]
FORMAT = (ROOT / "docs" / "file-format.md").read_text()


def documented() -> dict[str, tuple[str, str, str]]:
    """Every ``| `name` | (dims) | units | text |`` row of the page, by group and name."""
    found, group = {}, None
    for line in FORMAT.splitlines():
        heading = re.match(r"## `/(.*?)/?`", line)
        if heading:
            group = heading[1].replace("SCHEME-ACTIVATION", "CASE")
        elif line.startswith("#"):
            group = None
        row = re.match(r"\| `(\w+)` \| \(([\w, ]*)\) \| ([^|]*?) \| ([^|]*?) \|", line)
        if row and group is not None:
            found[f"{group}/{row[1]}"] = (row[2], row[3], row[4])
    return found


def expected() -> dict[str, tuple[str, str, str]]:
    """The same from the schema; the summary's statistics stand there once, for every QUANTITY."""
    found = {}
    for group, entries in schema.ENTRIES.items():
        for entry in entries:
            name, text = entry.name, entry.long_name
            if group == "CASE/summary" and name != "layer":
                if not name.startswith("activation_mean_"):
                    continue
                name = name.replace("activation_mean_", "QUANTITY_", 1)
                text = text.replace("activation_mean", "QUANTITY")
            found[f"{group}/{name}"] = (", ".join(entry.dims), entry.units, text)
    return found


def test_the_page_of_the_format_has_one_line_for_each_dataset_and_no_other():
    assert documented() == expected()


def test_the_page_names_the_format_version():
    assert f"format_version = {schema.FORMAT_VERSION}" in FORMAT


def command_lines() -> list[str]:
    """Every line of a shell block of a document that calls mcflow."""
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for block in re.findall(r"```bash\n(.*?)```", path.read_text(), flags=re.S):
            for line in block.splitlines():
                for piece in line.split("&&"):
                    if re.match(r"\s*(exec )?mcflow \w", piece):
                        found.append(piece.strip().removeprefix("exec "))
    return found


@pytest.mark.parametrize("line", command_lines())
def test_documents_use_verbs_and_options_that_exist(line):
    words = shlex.split(line, comments=True)[1:]
    context = click.Context(cli)
    command = LazyGroup.get_command(cli, context, words[0])
    assert command is not None, f"there is no verb {words[0]!r}"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words[1:] if word.startswith("-")} <= known | {"--help"}


def test_the_readme_has_the_two_commands_that_continuous_integration_calls():
    text = (ROOT / "README.md").read_text()
    assert text.count("<!-- command 1 -->\n```bash\n") == 1
    assert text.count("<!-- command 2 -->\n```bash\n") == 1


def missing_modules(text: str, *beside: Path) -> list[str]:
    """Files of Python that a text names in backticks and that are not there: from the top, its rooms, or ``beside``."""
    named = re.findall(r"`((?:[\w.]+/)*\w+\.py)`", text)
    places = (ROOT, ROOT / "mcflow", ROOT / "kernels", *beside)
    return [name for name in named if not any((place / name).is_file() for place in places)]


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")], ids=lambda page: page.name)
def test_every_module_that_a_page_names_is_there(page):
    assert not missing_modules(page.read_text())


@pytest.mark.parametrize("room", ["mcflow", "kernels"])
def test_every_module_that_a_docstring_or_comment_names_is_there(room):
    for path in (ROOT / room).rglob("*.py"):
        assert not missing_modules(path.read_text(), path.parent), path


def test_a_module_that_is_not_there_is_seen():
    assert missing_modules("as `theory/stack.py` and `kernels/cpu/haar_of_old.py` say") == [
        "kernels/cpu/haar_of_old.py"
    ]
