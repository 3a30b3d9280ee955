"""``mcflow help``: what ``--help`` says of a verb, as other tools have it."""

from __future__ import annotations

import click

from mcflow.cli.values import Named

EXAMPLE = """\b
Examples:
  mcflow help
  mcflow help run"""


def _verbs() -> list[str]:
    from mcflow.cli import VERBS

    return list(VERBS)


@click.command(epilog=EXAMPLE)
@click.argument("verb", required=False, type=Named(_verbs))
@click.pass_context
def command(context: click.Context, verb: str | None) -> None:
    """Say what VERB does and which options it takes; without it, which verbs there are."""
    from mcflow.cli import cli

    parent = context.parent or click.Context(cli, info_name="mcflow")
    if verb is None:
        click.echo(cli.get_help(parent))
        return
    found = cli.require(parent, verb)
    click.echo(found.get_help(click.Context(found, info_name=verb, parent=parent)))
