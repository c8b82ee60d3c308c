"""`scorecard token`: wall and embed links."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from scorecard.cli import running
from scorecard.cli.doors import opened, session_of
from scorecard.cli.output import print_json, print_rows
from scorecard.ground.errors import NotFound, Problem, Refused, did_you_mean

if TYPE_CHECKING:
    from scorecard.cli.product import Product

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def lifetime(text: str) -> timedelta:
    """A duration like 90d or 12h; Refused otherwise."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhdw])", text)
    if match is None:
        raise Refused(Problem(f"--expires {text!r} is no duration", hint="write it like 12h, 90d or 52w"))
    return timedelta(seconds=int(match[1]) * SECONDS[match[2]])


def base_url(product: Product) -> str:
    """Where links point: the configured address, the running process, else the default address."""
    if product.settings.address:
        return product.settings.address.rstrip("/")
    found = running.read(product.data)
    return found.address if found is not None else "http://127.0.0.1:8050"


@click.group()
def token() -> None:
    """Wall and embed links: create, list, revoke."""


@token.command("create")
@click.argument("panel", metavar="PANEL")
@click.option("--expires", default="90d", show_default=True, help="How long the link works: 12h, 90d, 52w.")
@click.pass_context
def create(context: click.Context, panel: str, expires: str) -> None:
    """Make a signed link for one panel and print it."""
    from scorecard.cli.product import token_secret
    from scorecard.web.access import create_token

    session = session_of(context)
    duration = lifetime(expires)
    with opened(session) as product:
        panels = product.refresher.book.panels
        if panel not in panels:
            known = f"known: {', '.join(panels)}" if panels else "metrics.yaml declares none under `panels:`"
            raise NotFound(Problem(f"no panel is called '{panel}'", hint=did_you_mean(panel, panels) or known))
        made = create_token(
            product.journal, token_secret(product.data), panel, product.clock.now() + duration, base_url(product)
        )
        if session.options.format == "json":
            print_json(session, made)
        else:
            session.say(str(made["url"]))


@token.command("list")
@click.pass_context
def list_(context: click.Context) -> None:
    """All links: for which panel, until when, revoked or not."""
    from scorecard.web.access import list_tokens

    session = session_of(context)
    with opened(session) as product:
        found = list_tokens(product.journal)
        if session.options.format == "json":
            print_json(session, {"tokens": list(found)})
            return
        headings = ("id", "panel", "created", "expires", "revoked")
        print_rows(session, headings, [[t.get(h) for h in headings] for t in found])


@token.command("revoke")
@click.argument("id_", metavar="ID")
@click.pass_context
def revoke(context: click.Context, id_: str) -> None:
    """Take a link back; it stops working at once."""
    from scorecard.web.access import revoke_token

    session = session_of(context)
    with opened(session) as product:
        revoke_token(product.journal, id_)
        session.say(f"{id_} is revoked")
