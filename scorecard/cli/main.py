"""The doors of the terminal: global options, commands, exit statuses, and words instead of tracebacks.

Exit status: 0 fine, 1 the user's input or a source is at fault, 2 wrong usage, 70 our own fault.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from scorecard import __version__
from scorecard.cli.commands import Commands
from scorecard.cli.session import COLORS, FORMATS, Options, Session
from scorecard.ground.errors import Problem, ScorecardError, did_you_mean

EXIT_STATUS = "Exit status: 0 fine, 1 your input or a source is at fault, 2 wrong usage, 70 our own fault."
GLOBAL = {
    "--config": "config",
    "--data": "data",
    "--now": "now",
    "--format": "format",
    "--color": "color",
    "--folder": "folder",
    "--width": "width",
}


@click.group(name="scorecard", cls=Commands, epilog=EXIT_STATUS)
@click.version_option(__version__, prog_name="scorecard")
@click.option("--config", default="metrics.yaml", show_default=True, help="The file with the definitions.")
@click.option("--data", default="data", show_default=True, help="The data folder: warehouse, journal, running.json.")
@click.option("--now", help="A fixed clock, for tests and demos: 2026-09-28T08:00:00Z.")
@click.option("--format", default="table", show_default=True, help="table, json or csv.")
@click.option("--color", default="auto", show_default=True, help="auto, always or never; NO_COLOR is heeded.")
@click.option("--folder", hidden=True)
@click.option("--width", hidden=True)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def app(**_: object) -> None:
    """A real-time KPI scorecard: sources into DuckDB, metrics in YAML, judged scorecards.

    The global options may also stand behind the command.
    """
    # Their values were taken off the line by split_options; they are declared here for --help.


def split_options(arguments: Sequence[str]) -> tuple[Options, list[str]]:
    """The global options taken out of a command line, wherever they stand; the rest in order. Raises UsageError for a
    wrong one."""
    values: dict[str, str] = {}
    rest: list[str] = []
    debug = False
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        name, equals, value = word.partition("=")
        if word == "--":
            rest.extend([word, *waiting])
            break
        if word == "--debug":
            debug = True
        elif name in GLOBAL and equals:
            values[GLOBAL[name]] = value
        elif name in GLOBAL:
            if not waiting:
                raise click.UsageError(f"option {name} needs a value")
            values[GLOBAL[name]] = waiting.pop(0)
        else:
            rest.append(word)
    options = Options(
        config=Path(values.get("config", "metrics.yaml")),
        data=Path(values.get("data", "data")),
        now=values.get("now"),
        format=_one_of("format", values, FORMATS),
        color=_one_of("color", values, COLORS),
        folder=Path(values.get("folder", "")),
        width=int(values["width"]) if values.get("width", "").isdecimal() else None,
        debug=debug,
    )
    return options, rest


def _one_of(name: str, values: Mapping[str, str], known: Sequence[str]) -> str:
    chosen = values.get(name, known[0])
    if chosen not in known:
        hint = did_you_mean(chosen, known) or f"{known[0]} is the default"
        raise click.UsageError(f"--{name} {chosen!r}: one of {', '.join(known)} ({hint})")
    return chosen


def execute(session: Session, arguments: Sequence[str]) -> int:
    """Runs one command line in a session; what goes wrong is said in words and becomes an exit status."""
    try:
        options, rest = split_options(arguments)
        options.debug = options.debug or session.options.debug
        session.options, session.arguments = options, tuple(arguments)
        result = app.main(rest, standalone_mode=False, obj=session, prog_name="scorecard")
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        session.say(error.format_message())
        return 2
    except click.UsageError as error:
        session.warn(f"scorecard: {error.format_message()}")
        session.warn("Try 'scorecard --help', or 'scorecard COMMAND --help'.")
        return 2
    except (click.Abort, KeyboardInterrupt):
        session.warn("scorecard: stopped")
        return 130
    except ScorecardError as error:
        say_problems(session, error)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # whoever read us has gone; nothing is left to say
        return 1
    except Exception as error:  # noqa: BLE001 - one command: our own fault is said in a line, with the traceback only on request
        if session.options.debug:
            import traceback  # a check starts without it

            traceback.print_exc(file=session.err)
        session.warn(f"scorecard: our own fault: {type(error).__name__}: {error} (repeat with --debug and report it)")
        return 70


def say_problems(session: Session, error: ScorecardError) -> None:
    """One problem a line on stderr; with --format json also as data on stdout for a refused file."""
    for problem in error.problems:
        session.warn(str(problem))
    if not error.problems:
        session.warn(str(Problem(str(error))))


def main() -> None:
    """The `scorecard` command."""
    status = execute(Session(), sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        sys.exit(1)
    sys.exit(status)
