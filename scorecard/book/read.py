"""Reads metrics.yaml into a Book: all mistakes at once, or, for the running product, without what is in error."""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from scorecard.book import build
from scorecard.book.columns import check_columns
from scorecard.book.files import Environment, Written, read_files
from scorecard.book.lint import lint, overdue_reviews
from scorecard.book.model import Book, Broken
from scorecard.book.notes import Notes, Subject
from scorecard.book.texts import ON_DISK, Texts, absolute
from scorecard.ground.errors import Problem, Refused, in_order
from scorecard.ground.yamlfile import YamlMap, YamlText

__all__ = ["check_columns", "overdue_reviews", "read_book", "read_lenient"]


def read_book(
    path: Path,
    *,
    environment: Mapping[str, str] | None = None,
    text: str | None = None,
    texts: Texts = ON_DISK,
    name: str | None = None,
) -> Book:
    """The book of a file and all that it includes; ``Refused`` with every problem, in order, if anything is wrong.

    ``environment`` is where ``${NAME}`` is looked up (default: the process's), before a ``.env`` beside the file; ``text``
    stands in for the file's own, and ``texts`` for the disk. ``name`` is how people know the file.
    """
    notes, _, book = _read(path, environment, text, texts, name)
    errors = [problem for problem in notes.found if problem.severity == "error"]
    if errors:
        raise NoBook(tuple(notes.watched), *in_order(notes.redacted(notes.found)))
    return book


class NoBook(Refused):
    """A book in error. ``watched``: the files and folders of which one must change before it can be read."""

    def __init__(self, watched: tuple[str, ...], *problems: Problem) -> None:
        super().__init__(*problems)
        self.watched = watched


def read_lenient(
    path: Path,
    *,
    environment: Mapping[str, str] | None = None,
    text: str | None = None,
    texts: Texts = ON_DISK,
    name: str | None = None,
) -> tuple[Book, tuple[Problem, ...]]:
    """The book without the definitions that are in error (and those that rest on them), and all errors in order.

    Metrics left out are in ``Book.broken``. ``Refused`` only where no definition is at fault but the file itself is: it
    cannot be read, is no YAML, or its organisation is in error. The arguments are those of ``read_book``.
    """
    notes, _, book = _read(path, environment, text, texts, name)
    if notes.fatal:
        raise Refused(*in_order(notes.redacted(notes.found)))
    errors = [problem for problem in notes.found if problem.severity == "error"]
    return book, in_order(notes.redacted(errors))


def _read(
    path: Path, environment: Mapping[str, str] | None, text: str | None, texts: Texts, name: str | None
) -> tuple[Notes, Written, Book]:
    notes = Notes()
    with _without_pauses():
        written = read_files(
            path, text, Environment(os.environ if environment is None else environment, path.parent), notes, texts, name
        )
        _blame_writing(written, notes)
        parts = build.build_parts(written, path.parent, notes)
        book = _sound(written, parts, notes)
        if not notes.fatal:
            lint(book, notes)
    warnings = [problem for problem in notes.found if problem.severity == "warning"]
    return notes, written, build.with_warnings(book, in_order(notes.redacted(warnings)))


@contextmanager
def _without_pauses() -> Iterator[None]:
    """No garbage collection while many small objects are made: it takes a third of the time and finds nothing."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _blame_writing(written: Written, notes: Notes) -> None:
    """Finds whose mistakes of writing (doubled keys, keys without a value) are, by where they stand."""
    known = {id(problem) for problem in notes.fatal} | {id(p) for problems in notes.broken.values() for p in problems}
    ranges = _ranges(written) if notes.found else []
    for problem in notes.found:
        if problem.severity != "error" or id(problem) in known or problem.place is None:
            continue
        at = problem.place
        subject = next((s for s, file, first, last in ranges if file == at.file and first <= at.line <= last), None)
        notes.blame(problem, subject)


def _ranges(written: Written) -> list[tuple[Subject, str, int, int]]:
    found = []
    for section, entries in written.sections.items():
        for entry in entries.values():
            last = entry.node.line + entry.node.file.text.count(
                "\n", entry.node.start, max(entry.node.start, entry.node.end - 1)
            )
            found.append(((section, entry.name), entry.file.name, entry.key.line, last))
    return found


def _sound(written: Written, parts: build.Parts, notes: Notes) -> Book:
    """The book of all that has no error and rests on nothing that has; the rest in ``broken``."""
    lost = set(notes.broken)
    teams = {n: t for n, t in parts.teams.items() if ("teams", n) not in lost}
    while len(kept := {n: t for n, t in teams.items() if t.parent is None or t.parent in teams}) < len(teams):
        teams = kept
    processes = {
        n: p for n, p in parts.processes.items() if ("processes", n) not in lost and (p.team is None or p.team in teams)
    }
    sources = {n: s for n, s in parts.sources.items() if ("sources", n) not in lost}
    metrics, reasons = build.sound_metrics(parts, teams, processes, sources, notes)
    names = {*teams, *processes, "organization"}
    panels = {
        n: p
        for n, p in parts.panels.items()
        if ("panels", n) not in lost and all(s.name in names or s.name in metrics for s in p.show)
    }
    reviews = {
        n: r for n, r in parts.reviews.items() if ("reviews", n) not in lost and all(s in names for s in r.scorecards)
    }
    broken = {
        name: _broken(written, name, reasons[name], teams, processes, notes)
        for name in written.sections["metrics"]
        if name in reasons
    }
    return Book(
        organization=parts.organization, sources=sources, teams=teams, processes=processes, panels=panels, reviews=reviews,
        metrics=metrics, tests=parts.tests, files=tuple(str(file.path) for file in written.files),
        texts={absolute(f.path): f.root.file.text for f in written.files if not f.name.startswith("pack:")},
        secrets=tuple(sorted(s for s in notes.secrets if s)), digest=_digest(written), broken=broken,
        watched=tuple(notes.watched),
    )  # fmt: skip


def _broken(
    written: Written,
    name: str,
    problems: list[Problem],
    teams: Mapping[str, object],
    processes: Mapping[str, object],
    notes: Notes,
) -> Broken:
    entry = written.sections["metrics"][name]

    def text(key: str) -> str | None:
        found = entry.node.entries.get(key) if isinstance(entry.node, YamlMap) else None
        return found[1].text if found is not None and isinstance(found[1], YamlText) else None

    process, team = text("process"), text("team")
    return Broken(
        name=name, title=text("title") or name, process=process if process in processes else None,
        team=team if team in teams else None, problems=in_order(notes.redacted(problems)), place=entry.key.place,
    )  # fmt: skip


def _digest(written: Written) -> str:
    """A hash of everything that is defined; comments, spaces and quotes do not change it."""
    hashed = hashlib.sha256()
    for file in written.files:
        hashed.update("\x00".join(file.root.file.words).encode("utf-8", "surrogatepass"))
    return hashed.hexdigest()
