"""What people decide of loads: carried out in the warehouse, then written into the journal with who and why.

The warehouse's transaction is what counts, and it remembers that the journal has not heard of it yet; whoever starts next
tells it. So a decision is never half done, and never without its entry for longer than the journal is away.
"""

from __future__ import annotations

from uuid import uuid4

from scorecard.book.model import Book
from scorecard.ground.clock import Clock, utc_text
from scorecard.ground.errors import NotFound, Problem, Refused, Unavailable, did_you_mean
from scorecard.journal.journal import Journal
from scorecard.landings.landings import Landings
from scorecard.refresh.pull import order_of
from scorecard.warehouse.engine import Decision, Engine, Load, Touched

LONGEST = 4000


class Decider:
    """Approves, rejects and rolls back; ``tell`` is to be called afterwards."""

    def __init__(self, engine: Engine, journal: Journal, clock: Clock, landings: Landings | None = None) -> None:
        self._landings = landings
        self._engine = engine
        self._journal = journal
        self._clock = clock

    def approve(self, book: Book, load: int, by: str, why: str) -> tuple[Load, Touched]:
        """Publishes exactly the rows that a load has staged. NotFound or Refused where it does not wait."""
        decision = self._decision("approve", self.source_of(load), load, by, why)
        if decision.source not in book.sources:
            raise Refused(Problem(f"source '{decision.source}' is no longer declared in metrics.yaml"))
        order = order_of(book, book.sources[decision.source], self._clock.now(), "approval")
        return self._engine.holds.approve(order, decision)

    def reject(self, load: int, by: str, why: str) -> Load:
        """Drops what a load has staged; the last good one stays."""
        return self._engine.holds.reject(self._decision("reject", self.source_of(load), load, by, why))

    def roll_back(self, book: Book, source: str, to: int | None, by: str, why: str) -> tuple[Load, Touched]:
        """An earlier generation of a source as a new one; from then on its loads wait until one is approved."""
        if source not in book.sources:
            raise NotFound(Problem(f"no source is called '{source}'", hint=did_you_mean(source, book.sources)))
        decision = self._decision("rollback", source, 0, by, why, to)
        order = order_of(book, book.sources[source], self._clock.now(), "rollback")
        return self._engine.holds.roll_back(order, decision)

    def tell(self) -> None:
        """Gives the journal what it has not heard yet. Unavailable says that it stands, and will be written later."""
        for decision in self._engine.holds.unsaid():
            if self._landings is not None:
                self._landings.decided(decision.what, decision.source, decision.load, decision.to)
            try:
                if not self._journal.entries("decision", decision=decision.id, limit=1):
                    self._journal.add("decision", decision.by, _body(decision))
            except Unavailable as error:
                said = f"the decision on {decision.source} (load {decision.load}) is carried out, and the journal does not have it"
                reasons = "; ".join(p.message for p in error.problems)
                raise Unavailable(Problem(f"{said}: {reasons}", hint="it is written at the next start")) from error
            self._engine.holds.said(decision)

    def source_of(self, load: int) -> str:
        """The source of a load. NotFound for a number that no load has."""
        found = self._engine.holds.load(load)
        if found is None:
            raise NotFound(Problem(f"there is no load {load}", hint="`scorecard loads` lists them"))
        return found.source

    def _decision(self, what: str, source: str, load: int, by: str, why: str, to: int | None = None) -> Decision:
        by, why = by.strip(), why.strip()
        problems = []
        if not by:
            problems.append(Problem("'by' is empty", hint="say who decides"))
        for name, text in (("by", by), ("why", why)):
            if len(text) > (100 if name == "by" else LONGEST) or any(ord(c) < 32 and c not in "\n\t" for c in text):
                problems.append(Problem(f"'{name}' is too long, or holds characters that only machines see"))
        if problems:
            raise Refused(*problems)
        return Decision(uuid4().hex, what, source, load, by, why, self._clock.now(), to)


def _body(decision: Decision) -> dict[str, object]:
    return {
        "decision": decision.id,
        "what": decision.what,
        "source": decision.source,
        "load": decision.load,
        "to": decision.to,
        "text": decision.why,
        "decided_at": utc_text(decision.at),
    }
