"""The SQL of sources' checks against the tables that are there: what would fail every load is said before one is tried."""

from __future__ import annotations

from collections.abc import Collection

from scorecard.book.checksql import names_in
from scorecard.book.model import Book
from scorecard.ground.errors import Problem, ScorecardError
from scorecard.warehouse.engine import Engine


def condition_mistakes(engine: Engine, book: Book, loaded: Collection[str]) -> tuple[Problem, ...]:
    """An error for each check that cannot be run on the tables of ``loaded`` sources, or gives anything but one truth value."""
    found = []
    for source in book.sources.values():
        for check in source.checks:
            if check.text is None or not set(names_in(check.text)[0]) <= {*loaded}:
                continue
            said = f"the check '{check.text}' of source '{source.name}'"
            try:
                given = engine.query(f"DESCRIBE {check.text}")["column_type"].to_list()
            except ScorecardError as error:
                found.append(Problem(f"{said} cannot be run: {error.problems[0].message}", check.place))
                continue
            if given != ["BOOLEAN"]:
                told = f"{said} gives {', '.join(given)}"
                hint = "write one SELECT that gives one true or false, such as select count(*) = 0 from …"
                found.append(Problem(told, check.place, hint))
    return tuple(found)
