"""`scorecard diff`: the readings and colours that the working file turns, against what is committed or published."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import click

from scorecard.cli.doors import session_of
from scorecard.cli.filters import Filters, filtered
from scorecard.cli.output import print_json, print_rows, status
from scorecard.cli.reading_rows import reading_texts
from scorecard.cli.session import Session
from scorecard.cli.working import Version, Work, working
from scorecard.ground.errors import NotFound, Problem, did_you_mean

if TYPE_CHECKING:
    from scorecard.board.board import Board
    from scorecard.board.reading import Reading
    from scorecard.book.model import Book
    from scorecard.desk.definitions import Changes
    from scorecard.desk.diff import Difference, Turn, Turned
SHOWN = 15
"""Readings of one metric in a table; JSON and CSV have all of them."""
COLUMNS = (
    "metric", "grain", "period", "slice", "old_value", "new_value", "old_target", "new_target", "old_amber", "new_amber",
    "old_status", "new_status", "old_reason", "new_reason",
)  # fmt: skip


@click.command()
@click.argument("metrics", nargs=-1, metavar="[METRIC]...")
@click.option(
    "--against",
    metavar="FILE|REVISION",
    help="Another metrics.yaml, or a git revision; git's HEAD by default, without git what is published.",
)
@filtered
@click.pass_context
def diff(context: click.Context, metrics: tuple[str, ...], against: str | None, chosen: Filters) -> None:
    """What the working file changes: definitions, and every reading and colour that turns. Nothing is published."""
    from scorecard.cli.revisions import version_of  # with subprocess, which no other command needs
    from scorecard.desk.definitions import compare

    session = session_of(context)
    version = None if session.product is not None else version_of(session.config_file(), against)
    with working(session, version) as work:
        label, before = older(work)
        changes = compare(before, work.book)
        check_names(metrics, before, work.book)
        problems = [*work.errors]
        with ExitStack() as trials:
            answer = differences(trials, work, (label, before), changes, metrics, chosen, problems)
            for problem in problems:
                session.warn(str(problem))
            show(session, answer, work.book)
        if any(p.severity == "error" for p in problems):
            raise click.exceptions.Exit(1)


def older(work: Work) -> tuple[str, Book]:
    """What is compared with, and how people know it: the version that was named or found, else what is published."""
    label, book = "what is published", work.product.refresher.book
    version = work.against
    if version is None and not work.product.serving:
        version = Version(label, work.product.publisher.last_texts())
        if not version.texts:
            hint = "name a file or a git revision with --against, or publish once with `scorecard refresh`"
            raise NotFound(
                Problem("there is nothing to compare with: nothing is committed and nothing published", hint=hint)
            )
    if version is not None:
        label, (book, _) = version.label, version.read()
    return label, book


def check_names(metrics: Sequence[str], before: Book, after: Book) -> None:
    known = list(dict.fromkeys([*after.metrics, *after.broken, *before.metrics]))
    wrong = [n for n in metrics if n not in known]
    if wrong:
        raise NotFound(*(Problem(f"no metric is called '{n}'", hint=did_you_mean(n, known)) for n in wrong))


def differences(
    trials: ExitStack,
    work: Work,
    old: tuple[str, Book],
    changes: Changes,
    metrics: Sequence[str],
    chosen: Filters,
    problems: list[Problem],
) -> Difference:
    """Both books are computed for the changed metrics and what those rest on, and for nothing else."""
    from scorecard.book.scope import narrowed
    from scorecard.cli.check import table_problems
    from scorecard.desk.diff import Difference, Turned, turned

    def asked(names: Sequence[str]) -> list[str]:
        return [n for n in names if not metrics or n in metrics]

    judged, added = asked(changes.judged), asked(changes.added)
    label, before = old
    now, trial = work.product.clock.now(), work.product.refresher.trial
    found: dict[str, Turned] = {}
    newest: dict[str, Reading | None] = {}
    if judged or added:
        after = narrowed(work.book, [*judged, *added])
        problems += [p for p in table_problems(work.product.engine, after) if p not in problems]
        new_board = trials.enter_context(trial(after))
        old_board = trials.enter_context(trial(narrowed(before, judged)))
        for name in judged:
            grain, note = common_grain(before, work.book, name, chosen)
            wrong = new_board.problems.get(name)
            if wrong is not None:  # it is said; that all its readings would turn grey says nothing more
                keys, made_of = changes.changed.get(name, ()), changes.carried.get(name, ())
                place, told = place_of(work.book, name), f"it could not be computed: {wrong.message}"
                found[name] = Turned(name, place, grain, keys, made_of, note=told)
                continue
            rows = [rows_of(board, name, grain, chosen, now) for board in (old_board, new_board)]
            found[name] = turned(changes, name, place_of(work.book, name), grain, rows[0], rows[1], note)
        for name in added:
            (newest[name],) = new_board.select([name], now=now)
    for name in asked(list(changes.changed)):
        if name not in found:  # a title or an owner turns no reading
            metric = work.book.metrics[name]
            found[name] = Turned(name, place_of(work.book, name), metric.grain, changes.changed[name])
    order = [n for n in work.book.metrics if n in found]
    return Difference(label, newest, tuple(asked(changes.removed)), tuple(found[n] for n in order))


def place_of(book: Book, name: str) -> str | None:
    place = book.metrics[name].place
    return None if place is None else str(place)


def common_grain(before: Book, after: Book, name: str, chosen: Filters) -> tuple[str, str | None]:
    """The grain at which both can be shown: the one asked for, else their own, else the coarser of the two."""
    from scorecard.ground.periods import GRAINS

    old, new = before.metrics[name].grain, after.metrics[name].grain
    coarser = max(old, new, key=GRAINS.index)
    wanted = chosen.grain or coarser
    return wanted, None if old == new else f"measured by {new}, before by {old}; compared by {wanted}"


def rows_of(board: Board, metric: str, grain: str, chosen: Filters, now: datetime) -> list[Reading]:
    """The readings at a grain, of all slices and periods or those chosen; none where this book has no such slice."""
    try:
        picked = replace(chosen, grain=grain).select(board, [metric], now)
    except NotFound:
        return []  # a slice that only the other book has
    slices = {r.slice for r in picked} if chosen.team or chosen.process else None
    labels = {r.period for r in picked} if chosen.in_time else None
    return [
        board.shown(r, now)
        for (name, at, slice_), rows in board.readings.items()
        if name == metric and at == grain and (slices is None or slice_ in slices)
        for r in rows
        if labels is None or r.period in labels
    ]


# -- showing ---------------------------------------------------------------------------------------------------


def show(session: Session, answer: Difference, book: Book) -> None:
    """The answer in the format asked for."""
    if session.options.format == "json":
        print_json(session, answer.as_json())
        return
    if session.options.format == "csv":
        print_rows(session, COLUMNS, [flat(m.metric, t) for m in answer.metrics for t in m.turns])
        return
    session.say(f"against {answer.against}")
    if answer.same:
        session.say("no differences")
        return
    for name, reading in answer.added.items():
        said = "" if reading is None else f"  {reading.period}: {reading.text}  {status(session, reading.status)}"
        session.say(f"\nadded {name}  ({place_of(book, name)}){said}")
    for name in answer.removed:
        session.say(f"\nremoved {name}")
    for metric in answer.metrics:
        show_metric(session, metric, book)
    turned = [f"{n} {a} → {b}" for a, b, n in answer.colours]
    session.say(f"\n{' · '.join(turned) if turned else 'no colour turns'}")


def show_metric(session: Session, metric: Turned, book: Book) -> None:
    why = ", ".join(metric.keys) if metric.keys else f"made of {', '.join(metric.made_of)}"
    session.say(f"\nchanged {metric.metric}: {why}  ({metric.place})")
    if metric.note is not None:
        session.say(f"  {metric.note}")
    turned = [f"{n} {status(session, a)} → {status(session, b)}" for a, b, n in metric.colours]
    session.say(
        f"  {len(metric.turns)} of {metric.compared} readings differ{', ' + ', '.join(turned) if turned else ''}"
    )
    if not metric.turns:
        return
    if len(metric.turns) > SHOWN:
        session.say(f"  the newest {SHOWN}; --format json or csv has all of them")
    one = book.metrics[metric.metric]
    rows = []
    for turn in metric.turns[-SHOWN:]:
        texts = [
            ("–", "", "", "") if r is None else (*reading_texts(r, one.unit, one.decimals), status(session, r.status))
            for r in (turn.old, turn.new)
        ]
        cells = (a if a == b else f"{a or '–'} → {b or '–'}" for a, b in zip(*texts, strict=True))
        slice_ = turn.reading.slice
        rows.append(("", turn.reading.period, "" if slice_ is None else slice_[1], *cells))
    headings = ("", "period", "slice", "value", "target", "amber", "status")
    said = [i for i in range(len(headings)) if i == 0 or any(row[i] for row in rows)]
    print_rows(session, [headings[i] for i in said], [[row[i] for i in said] for row in rows])


def flat(metric: str, turn: Turn) -> list[object]:
    r = turn.reading
    cells: list[object] = [metric, r.grain, r.period, None if r.slice is None else r.slice[1]]
    for name in ("value", "target", "amber", "status", "reason"):
        for side in (turn.old, turn.new):
            value = None if side is None else getattr(side, name)
            cells.append(" to ".join(map(str, value)) if isinstance(value, tuple) else value)
    return cells
