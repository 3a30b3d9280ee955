"""``mcflow merge``: shards of one study into one file."""

from __future__ import annotations

import click

EXAMPLE = """\b
Examples:
  mcflow run study.toml --shard 0/2 -o shards/
  mcflow run study.toml --shard 1/2 -o shards/
  mcflow merge shards/ -o runs/study.h5"""


@click.command(epilog=EXAMPLE)
@click.argument("shards", nargs=-1, required=True, metavar="SHARD...")
@click.option("-o", "--output", required=True, metavar="FILE", help="The merged file.")
@click.option("--partial", is_flag=True, help="Merge what is there where shards are missing.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def command(shards: tuple[str, ...], output: str, partial: bool, overwrite: bool) -> None:
    """Merge what --shard wrote (files, or a folder of them) into FILE: the same bits as one run would have made."""
    from mcflow.running.merging import merge

    def say(sentence: str) -> None:
        print(f"{output}: {sentence}")

    merge(shards, output, partial=partial, overwrite=overwrite, say=say).close()
