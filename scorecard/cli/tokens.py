"""`scorecard token`: wall and embed links, and tokens that let an upstream system ask for the pull of one source."""

from __future__ import annotations

import re
from collections.abc import Collection
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
    """Wall and embed links, and tokens of sources: create, list, revoke."""


@token.command("create")
@click.argument("panel", metavar="PANEL", required=False)
@click.option("--source", help="A token that may refresh this source and nothing else, instead of a link.")
@click.option("--expires", default="90d", show_default=True, help="How long the link works: 12h, 90d, 52w.")
@click.pass_context
def create(context: click.Context, panel: str | None, source: str | None, expires: str) -> None:
    """Make a signed link for one panel, or for the refresh of one source, and print it."""
    from scorecard.cli.product import token_secret
    from scorecard.web.access import create_token
    from scorecard.web.hooks import create_source_token

    if (panel is None) == (source is None):
        raise click.UsageError("name a PANEL, or a source with --source NAME")
    session = session_of(context)
    duration = lifetime(expires)
    with opened(session) as product:
        book, until, secret = product.refresher.book, product.clock.now() + duration, token_secret(product.data)
        if panel is not None:
            _check_known("panel", panel, book.panels)
            made = create_token(product.journal, secret, panel, until, base_url(product))
        else:
            _check_known("source", str(source), book.sources)
            made = create_source_token(product.journal, secret, str(source), until, base_url(product))
        if session.options.format == "json":
            print_json(session, made)
        else:
            session.say(str(made["url"]))


def _check_known(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        all_known = f"known: {', '.join(known)}" if known else f"metrics.yaml declares none under `{what}s:`"
        raise NotFound(Problem(f"no {what} is called '{name}'", hint=did_you_mean(name, known) or all_known))


@token.command("list")
@click.pass_context
def list_(context: click.Context) -> None:
    """All links and tokens: for which panel or source, until when, revoked or not."""
    from scorecard.web.access import list_tokens

    session = session_of(context)
    with opened(session) as product:
        found = list_tokens(product.journal)
        if session.options.format == "json":
            print_json(session, {"tokens": list(found)})
            return
        headings = ("id", "panel", "source", "created", "expires", "revoked")
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
