"""Collects everything that is wrong while a book is read; nothing stops at the first mistake."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scorecard.ground.errors import Place, Problem
from scorecard.ground.values import dataclass
from scorecard.ground.yamlfile import YamlNode, YamlText

SHORTEST_SECRET = 4
"""Shorter values are not blotted out: they would make every sentence unreadable and protect nothing."""

Subject = tuple[str, str]
"""(section, name): whose mistake it is, so that the others can go on without it."""


@dataclass(frozen=True, slots=True)
class Reference:
    """``what``: team, process, metric, source, or "team or process"."""

    subject: Subject | None
    at: YamlNode | Place
    what: str
    name: str


class Notes:
    """The problems so far, whose they are, the secrets that no text may show, and the paths that the book rests on."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.secrets: set[str] = set()
        self.subject: Subject | None = None
        self.broken: dict[Subject, list[Problem]] = {}
        self.fatal: list[Problem] = []
        self.references: list[Reference] = []
        self.watched: dict[str, None] = {}

    def error(self, at: YamlNode | Place | None, message: str, hint: str | None = None) -> None:
        problem = Problem(message, at.place if isinstance(at, YamlNode) else at, hint)
        self.found.append(problem)
        self.blame(problem, self.subject)

    def watch(self, path: Path) -> None:
        """Notes a file or folder whose change may change the book, whether it is there or not."""
        self.watched[str(path)] = None

    def blame(self, problem: Problem, subject: Subject | None) -> None:
        """Notes whose mistake a problem is; a mistake of nobody in particular is fatal."""
        if subject is None:
            self.fatal.append(problem)
        else:
            self.broken.setdefault(subject, []).append(problem)

    def refer(self, at: YamlNode | Place, what: str, name: str) -> None:
        """Notes that something is named here; whether it exists is checked when all is read."""
        self.references.append(Reference(self.subject, at, what, name))

    def warn(self, at: YamlNode | Place | None, message: str, hint: str | None = None) -> None:
        self.found.append(Problem(message, at.place if isinstance(at, YamlNode) else at, hint, "warning"))

    def redacted(self, problems: Iterable[Problem]) -> list[Problem]:
        """The problems with every secret blotted out."""
        if not self.secrets:
            return list(problems)
        hidden = sorted(self.secrets, key=len, reverse=True)
        return [
            Problem(redact(p.message, hidden), p.place, None if p.hint is None else redact(p.hint, hidden), p.severity)
            for p in problems
        ]


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text without any of the secrets, which come longest first, so that no rest of one stays."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET and secret in text:
            text = text.replace(secret, "•••")
    return text


def shown(node: YamlNode) -> str:
    """A value for a message: as the file writes it where it came from the environment, cut to a line."""
    text = node.written() if not isinstance(node, YamlText) or node.filled or node.style in {"|", ">"} else node.text
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "…"
