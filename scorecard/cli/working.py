"""The working files: metrics.yaml as the analyst has it now, which the running process may not have taken over.

`check`, `preview`, `diff` and `lineage` look at these. Where a process runs on the data folder, it is sent their texts and
looks at them; the disk may have changed by the time it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from scorecard.cli.doors import hand_over, opened_here
from scorecard.cli.session import Session
from scorecard.ground.errors import Problem
from scorecard.ground.values import dataclass

if TYPE_CHECKING:
    from scorecard.book.model import Book
    from scorecard.cli.product import Product

AGAINST = "against"


@dataclass(frozen=True, slots=True)
class Version:
    """One state of metrics.yaml and its includes. ``label``: how people know it; ``texts``: absolute path → text, the
    main file first."""

    label: str
    texts: Mapping[str, str] = field(default_factory=dict)

    def read(self) -> tuple[Book, tuple[Problem, ...]]:
        """The book of these texts and nothing else, without what is in error, and the errors."""
        from scorecard.book.read import read_lenient
        from scorecard.book.texts import Given

        return read_lenient(Path(next(iter(self.texts))), texts=Given(self.texts), name=self.label)


@dataclass(frozen=True, slots=True)
class Work:
    """What is looked at: the product, the working files' book and its errors, and the version to compare with, if any."""

    product: Product
    book: Book
    errors: tuple[Problem, ...]
    against: Version | None = None


def read_working(session: Session) -> tuple[Book, tuple[Problem, ...]]:
    """The book of the working files, without what is in error, and the errors. Refused for a file that is none."""
    from scorecard.book.read import read_lenient
    from scorecard.book.texts import Given

    if session.files is None:
        return read_lenient(session.config_file())
    config = session.options.config
    texts = Given({path: text for path, text in session.files.items() if not path.startswith(AGAINST)})
    return read_lenient(session.options.folder / config, texts=texts, name=str(config))


@contextmanager
def working(session: Session, against: Version | None = None) -> Iterator[Work]:
    """The product and the working files, for the length of a command. Where a process runs on the data folder, it does
    the whole command on the texts sent to it, and this one ends with its output and exit status."""
    book, errors = read_working(session)
    if session.product is not None:
        yield Work(session.product, book, errors, against or _sent(session.files or {}))
        return
    hand_over(session, lambda: {**book.texts, **_sending(against)})
    with opened_here(session, book) as product:
        yield Work(product, book, errors, against)


def _sending(against: Version | None) -> dict[str, str]:
    """A version as it travels: its label stands before the paths."""
    return {} if against is None else {f"{AGAINST}\n{against.label}\n{p}": t for p, t in against.texts.items()}


def _sent(files: Mapping[str, str]) -> Version | None:
    found = [(path.split("\n", 2), text) for path, text in files.items() if path.startswith(AGAINST + "\n")]
    return Version(found[0][0][1], {parts[2]: text for parts, text in found}) if found else None
