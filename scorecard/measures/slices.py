"""Which team or process a raw value of a split column means, and in whose slices its rows count."""

from __future__ import annotations

from dataclasses import dataclass, field

from scorecard.book.model import Book

Slice = tuple[str, str]
"""("team" or "process", name)."""
NONE = "(none)"
"""How a missing value is listed among the unassigned."""


def folded(text: str) -> str:
    """As names are compared: without case and outer spaces."""
    return text.strip().casefold()


@dataclass(slots=True)
class Slicing:
    """Matches raw values to names, titles and aliases; remembers what it has matched."""

    book: Book
    _names: dict[str, dict[str, str]] = field(default_factory=dict)
    _matched: dict[tuple[str, str], tuple[Slice, ...]] = field(default_factory=dict)

    def slices_of(self, kind: str, raw: str | None) -> tuple[Slice, ...]:
        """The slices in which rows with this value count: its own and, for teams, all above it. Empty: unassigned."""
        if raw is None:
            return ()
        found = self._matched.get((kind, raw))
        if found is None:
            name = self._known(kind).get(folded(raw))
            found = () if name is None else tuple((kind, n) for n in self._upwards(kind, name))
            self._matched[kind, raw] = found
        return found

    def definition(self, kind: str) -> str:
        """A text that changes when the matching does."""
        parents = sorted((t.name, t.parent) for t in self.book.teams.values()) if kind == "team" else []
        return repr((sorted(self._known(kind).items()), parents))

    def _known(self, kind: str) -> dict[str, str]:
        """Folded name, title or alias → name. A name stands above all titles, and these above all aliases."""
        if kind not in self._names:
            all_of = list(self.book.teams.values()) if kind == "team" else list(self.book.processes.values())
            names: dict[str, str] = {}
            for spelled in (
                [(one.name, one.name) for one in all_of],
                [(one.title, one.name) for one in all_of],
                [(alias, one.name) for one in all_of for alias in one.aliases],
            ):
                for text, name in spelled:
                    names.setdefault(folded(text), name)
            self._names[kind] = names
        return self._names[kind]

    def _upwards(self, kind: str, name: str) -> tuple[str, ...]:
        """The team and the teams above it; a process alone."""
        found = [name]
        while kind == "team":
            parent = self.book.teams[found[-1]].parent
            if parent is None or parent in found or parent not in self.book.teams:
                break
            found.append(parent)
        return tuple(found)
