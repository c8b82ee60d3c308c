"""The commands by name: each is imported when it is asked for, so that none waits for what only others need."""

from __future__ import annotations

import click

NAMES = (
    "init",
    "check",
    "tables",
    "refresh",
    "values",
    "set",
    "signoff",
    "explain",
    "preview",
    "backtest",
    "diff",
    "schema",
    "lineage",
    "loads",
    "approve",
    "reject",
    "rollback",
    "serve",
    "token",
    "backup",
    "restore",
)


class Commands(click.Group):
    """A group that knows its commands' names, and gets a command only to run it or to tell of it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        return sorted(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as click calls it
        return analysts(cmd_name) or operators(cmd_name)


def analysts(name: str) -> click.Command | None:
    """The command of that name among those that ask about definitions and numbers."""
    match name:
        case "check":
            from scorecard.cli.check import check as command
        case "tables":
            from scorecard.cli.check import tables as command
        case "values":
            from scorecard.cli.readings import values as command
        case "set":
            from scorecard.cli.entering import set_value as command
        case "signoff":
            from scorecard.cli.confirming import signoff as command
        case "explain":
            from scorecard.cli.explain import explain as command
        case "preview":
            from scorecard.cli.preview import preview as command
        case "backtest":
            from scorecard.cli.backtest import backtest as command
        case "diff":
            from scorecard.cli.diff import diff as command
        case "schema":
            from scorecard.cli.schema import schema as command
        case "lineage":
            from scorecard.cli.lineage import lineage as command
        case "init":
            from scorecard.cli.init import init as command
        case _:
            return None
    return command


def operators(name: str) -> click.Command | None:
    """The command of that name among those that load, serve and admit."""
    command: click.Command
    match name:
        case "refresh":
            from scorecard.cli.refresh import refresh as command
        case "loads":
            from scorecard.cli.loads import loads as command
        case "approve":
            from scorecard.cli.holds import approve as command
        case "reject":
            from scorecard.cli.holds import reject as command
        case "rollback":
            from scorecard.cli.holds import rollback as command
        case "serve":
            from scorecard.cli.serve import serve as command
        case "token":
            from scorecard.cli.tokens import token as command
        case "backup":
            from scorecard.cli.copies import backup as command
        case "restore":
            from scorecard.cli.copies import restore as command
        case _:
            return None
    return command
