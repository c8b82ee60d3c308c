"""`scorecard schema`: the JSON Schema of metrics.yaml, for editors."""

from __future__ import annotations

import click

from scorecard.cli.doors import session_of
from scorecard.cli.output import print_json


@click.command()
@click.pass_context
def schema(context: click.Context) -> None:
    """JSON Schema of metrics.yaml; save it and name it in the file's first line for completion in your editor."""
    from scorecard.book.schema import json_schema

    print_json(session_of(context), json_schema())
