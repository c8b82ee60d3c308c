"""`scorecard init`: a small working example, or a first draft from a CSV file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from scorecard.cli.doors import session_of
from scorecard.cli.output import print_json, print_rows
from scorecard.cli.session import Session
from scorecard.ground.errors import Place, Problem, Refused, Unavailable

ZONES = "zoneinfo/"
DRAFTED = """\
# {name}

    scorecard check              # finds every mistake in metrics.yaml
    scorecard refresh            # loads {file} and computes
    scorecard values{period}
    scorecard serve              # the pages, live, at http://127.0.0.1:8050

`metrics.yaml` was drafted from the columns of {file}. Give the metrics you keep a target, an owner and a better name;
`scorecard preview METRIC` shows what a change looks like.
"""


@click.command()
@click.argument("folder", required=False, metavar="[DIR]")
@click.option("--from", "file", metavar="FILE.csv", help="Draft sources and metrics from this file.")
@click.pass_context
def init(context: click.Context, folder: str | None, file: str | None) -> None:
    """Write a working example into a new or empty folder; with --from, a first draft for a CSV file (by default here)."""
    session = session_of(context)
    if folder is None and file is None:
        raise click.UsageError("name a folder for the example, or a file to draft from: --from FILE.csv")
    if file is None:
        from scorecard.desk.example import example

        place = Path(folder or ".")
        texts = dict(example(session.clock().now(), local_zone()))
        refuse_full(place, texts)
        write(place, texts)
        say(session, place, texts, "scorecard refresh", "scorecard values", "scorecard serve")
        return
    place = Path(folder or ".")
    refuse_full(place, ("metrics.yaml",), beside=Path(file) if folder is not None else None, here=folder is None)
    texts, steps, notes = drafted(session, Path(file), place)
    write(place, texts)
    for note in notes:
        session.warn(str(note))
    say(session, place, texts, *steps)


def drafted(session: Session, file: Path, place: Path) -> tuple[dict[str, str], list[str], list[Problem]]:
    """(the files, the next commands, what to know) of a draft for a CSV file."""
    from scorecard.desk.draft import draft
    from scorecard.desk.profile import profile
    from scorecard.ground.periods.calendar import Calendar

    if not file.is_file():
        said = "this is a folder, not a file" if file.is_dir() else "there is no such file"
        raise Refused(Problem(said, Place(str(file)), "name a CSV file"))
    zone = local_zone()
    whole, home = file.resolve(), place.resolve()
    inside = whole.is_relative_to(home)
    path = whole.relative_to(home).as_posix() if inside else whole.as_posix()
    stem = file.name.removesuffix(".gz").rsplit(".", 1)[0]
    made = draft(profile(file), stem, path, zone, None if inside else whole.parent.as_posix())
    steps, notes = ["scorecard check", "scorecard refresh"], []
    period = ""
    if not made.metrics:
        message = "no column holds dates or times that are known here, so no metric was drafted"
        notes.append(Problem(message, Place(str(file), 1), "the note in metrics.yaml says what to do", "warning"))
    elif made.newest is not None:
        calendar = Calendar(zone)
        last = calendar.period(made.newest, "week")
        closed = calendar.latest_closed(session.clock().now(), "week")
        if last.end < closed.end:  # the rows are of long ago: the last closed week says nothing
            period = f" --period {calendar.latest_closed(last.end, 'week').label}"
        steps.append(f"scorecard values{period}")
    name = stem.replace("_", " ").capitalize()
    texts = {"metrics.yaml": made.text}
    if not (place / "README.md").exists():
        texts["README.md"] = DRAFTED.format(name=name, file=path, period=period)
    if not (place / ".gitignore").exists():
        texts[".gitignore"] = "data/\n"
    return texts, steps, notes


def refuse_full(
    place: Path, ours: Mapping[str, str] | tuple[str, ...], *, beside: Path | None = None, here: bool = False
) -> None:
    """Refused where something could be overwritten: a folder that holds anything but hidden files and ``beside``.

    ``here``: other files are fine, if none of ours is among them.
    """
    if place.exists() and not place.is_dir():
        raise Refused(Problem("this is a file, not a folder", Place(str(place)), "name a new folder"))
    if not place.exists():
        return
    found = sorted(path.name for path in place.iterdir() if not path.name.startswith("."))
    taken = [name for name in ours if (place / name).exists()]
    if here:
        if taken:
            hint = "name a new folder, or move the file away"
            raise Refused(
                Problem("there is one already, and it is never overwritten", Place(str(place / taken[0])), hint)
            )
        return
    others = [name for name in found if beside is None or (place / name).resolve() != beside.resolve()]
    if others or taken:
        told = ", ".join((others or taken)[:3]) + (", …" if len(others) > 3 else "")
        raise Refused(
            Problem(f"the folder is not empty: it holds {told}", Place(str(place)), "name a new or empty folder")
        )


def write(place: Path, texts: Mapping[str, str]) -> None:
    """All files; Unavailable where the folder cannot be written."""
    try:
        for name, text in texts.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unavailable(
            Problem(
                f"the folder cannot be written: {error.strerror or error}",
                Place(str(place)),
                "name another one, or give this user the right to write there",
            )
        ) from None


def say(session: Session, place: Path, texts: Mapping[str, str], *steps: str) -> None:
    """What was written, and what to do next."""
    if session.options.format == "json":
        print_json(session, {"folder": str(place), "files": list(texts), "next": list(steps)})
    elif session.options.format == "csv":
        print_rows(session, ("file",), [(str(place / name),) for name in texts])
    else:
        for name in texts:
            session.say(f"wrote {place / name}")
        session.say("\nnext:")
        for step in ([] if place.resolve() == Path.cwd() else [f"cd {place}"]) + list(steps):
            session.say(f"  {step}")


def local_zone() -> str:
    """This machine's time zone by its IANA name; UTC where it does not say."""
    from scorecard.ground.periods.zone import zone_named

    named = os.environ.get("TZ", "").lstrip(":")
    if not named:
        link = os.path.realpath("/etc/localtime")
        named = link.split(ZONES, 1)[1] if ZONES in link else ""
    try:
        zone_named(named)
    except Refused:
        return "UTC"
    return named if "/" in named and not named.startswith("Etc/") else "UTC"
