"""The command ``mcflow``: one file a verb, each imported only when it is called."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mcflow.cli import streams
from mcflow.errors import InputError, Unfinished, at_the_command_line, nearest
from mcflow.version import __version__

VERBS = {  # in the order of the help; a verb is there when its file is
    "run": "Sample, propagate, and stream one study into one file.",
    "theory": "The same cases, prediction only: no sampling.",
    "verify": "Measured against predicted, layer by layer; a verdict per case.",
    "compare": "Which scheme keeps the signal flowing, per activation.",
    "recommend": "The scheme and gain to use for an activation.",
    "plot": "Pictures of a file: PNG, SVG, PDF.",
    "report": "One self-contained HTML page of a file.",
    "reproduce": "Classic figures of the field, with theory on top.",
    "show": "What is in a file: cases, progress, configuration, provenance.",
    "merge": "Shards of one study into one file.",
    "export": "A tidy table of a file: CSV or Parquet.",
    "list": "Names and formulas: schemes, activations, quantities, figures.",
    "doctor": "Versions, cores, threading, SIMD, CUDA devices, HDF5 locking.",
    "bench": "This machine's speed beside its ceilings.",
    "help": "What a verb does, and its options.",
}

EXAMPLE = """\b
Examples:
  mcflow run
  mcflow run --scheme kaiming_normal --activation relu --depth 50 --width 512
  mcflow show runs/9-cases.h5"""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)  # the work could not be finished; all else is bad input


class LazyGroup(click.Group):
    """A group that knows its verbs by name and imports one only to call it, or to show its help."""

    def list_commands(self, context: click.Context) -> list[str]:
        here = Path(__file__).parent
        return [verb for verb in VERBS if (here / f"{verb}.py").exists()]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(context):
            return None
        command = importlib.import_module(f"mcflow.cli.{name}").command
        assert isinstance(command, click.Command)
        return command

    def require(self, context: click.Context, name: str) -> click.Command:
        """The verb of that name; InputError with the nearest ones where there is none."""
        found = self.get_command(context, name)
        if found is None:
            raise InputError(f"unknown command {name!r}; {nearest(name, self.list_commands(context))}")
        return found

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, VERBS[verb]) for verb in self.list_commands(context)])

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not arguments[0].startswith("-"):
            self.require(context, arguments[0])
        return super().resolve_command(context, arguments)


@click.group(cls=LazyGroup, epilog=EXAMPLE, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mcflow")
def cli() -> None:
    """Which initialisation keeps activations and gradients flowing: random networks, and theory beside them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and end the process with its exit code; a user's mistake is one line on stderr."""
    streams.prepare()
    code = call(arguments)
    unsaid = streams.failure()
    if unsaid is not None:
        code = _say(f"cannot write to standard output: {unsaid.strerror}", 3)
    sys.exit(code)


def call(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the command with these arguments (those of the process where None)."""
    try:
        with at_the_command_line():
            result: Any = cli.main(args=arguments, prog_name="mcflow", standalone_mode=False)
    except InputError as error:
        return _say(error, 2)
    except Unfinished as error:
        return _say(error, 3)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message())
        return 0
    except click.ClickException as error:
        return _say(error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt):
        return _say("interrupted", 130)
    except OSError as error:  # what no reader or writer of files has put into better words
        place = f"{_short(str(error.filename))}: " if error.filename is not None else ""
        return _say(f"{place}{error.strerror or error}", 3 if error.errno in _FULL else 2)
    except MemoryError:
        return _say("out of memory; give a smaller width, depth, batch or number of networks", 2)
    return result if isinstance(result, int) else 0


def _short(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:60]}...{name[-30:]}"


def _say(what: object, code: int) -> int:
    print("mcflow: " + " ".join(str(what).split()), file=sys.stderr)
    return code
