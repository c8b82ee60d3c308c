"""Earlier versions of metrics.yaml: another file, a git revision, or what was published last."""

from __future__ import annotations

import subprocess
from dataclasses import field
from pathlib import Path

from scorecard.cli.working import Version
from scorecard.ground.errors import NotFound, Place, Problem, Refused
from scorecard.ground.values import dataclass

SECONDS = 30


def version_of(config: Path, wanted: str | None) -> Version | None:
    """The version to compare with: the file or git revision that is named; without a name git's HEAD, where it has the
    file. None: there is no such HEAD, so what is published is meant. NotFound for a name that is neither."""
    if wanted is not None and Path(wanted).is_file():
        return _of_file(Path(wanted))
    repository = _repository(config)
    if wanted is None:
        return None if repository is None or not repository.has(config, "HEAD") else _at(repository, config, "HEAD")
    if repository is None:
        raise NotFound(
            Problem(
                f"--against '{wanted}' is no file, and {config} is in no git repository",
                hint="name the file to compare with; a revision needs git",
            )
        )
    if repository.commit(wanted) is None:
        raise NotFound(
            Problem(
                f"--against '{wanted}' is neither a file nor a git revision",
                hint="write a path, or a revision such as HEAD~1, main or a tag (`git log --oneline` lists them)",
            )
        )
    if not repository.has(config, wanted):
        raise NotFound(
            Problem(f"revision '{wanted}' has no {config}", hint=f"`git log -- {config}` says since when there is one")
        )
    return _at(repository, config, wanted)


def _of_file(path: Path) -> Version:
    from scorecard.book.read import read_lenient

    book, _ = read_lenient(path)
    return Version(str(path), book.texts)


def _at(repository: Repository, config: Path, revision: str) -> Version:
    """The file at a revision, and what it included then."""
    from scorecard.book.read import read_lenient

    label = f"{revision}:{config}"
    try:
        book, _ = read_lenient(config.absolute(), texts=Revision(repository, revision), name=label)
    except Refused as refused:
        raise Refused(*refused.problems, Problem(f"revision '{revision}' cannot be read", Place(label))) from None
    return Version(label, book.texts)


@dataclass(frozen=True, slots=True)
class Repository:
    """The git repository whose working tree is in ``top``."""

    top: Path

    def said(self, *words: str) -> str | None:
        """What git answers; None where it refuses."""
        return _git(self.top, *words)

    def commit(self, revision: str) -> str | None:
        """The commit that a revision means. A word that git would take for an option means none."""
        found = (
            None
            if revision.startswith("-")
            else self.said("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        )
        return None if found is None else found.strip()

    def has(self, path: Path, revision: str) -> bool:
        return self.text(path, revision) is not None

    def text(self, path: Path, revision: str) -> str | None:
        commit, name = self.commit(revision), self.name(path)
        return None if commit is None or name is None else self.said("show", f"{commit}:{name}")

    def name(self, path: Path) -> str | None:
        """A file's path in the repository; None outside."""
        where = path.parent.resolve() / path.name
        return where.relative_to(self.top).as_posix() if where.is_relative_to(self.top) else None

    def names(self, folder: Path, revision: str) -> list[Path]:
        """All files below a folder at a revision."""
        commit, top = self.commit(revision), self.name(folder / "x")
        if commit is None or top is None:
            return []
        below = top.removesuffix("x")
        listed = self.said("ls-tree", "-r", "-z", "--name-only", commit, *([below] if below else [])) or ""
        return [folder / name[len(below) :] for name in listed.split("\0") if name]


@dataclass(frozen=True, slots=True)
class Revision:
    """The texts of a revision, as a book reads them."""

    repository: Repository
    revision: str
    memory: dict[str, str | None] = field(default_factory=dict)

    def text(self, path: Path, name: str) -> tuple[str | None, list[Problem]]:
        key = str(path)
        if key not in self.memory:
            self.memory[key] = self.repository.text(path, self.revision)
        found = self.memory[key]
        return found, [] if found is not None else [
            Problem(f"revision '{self.revision}' has no such file", Place(name))
        ]

    def matches(self, folder: Path, pattern: str) -> list[Path]:
        from scorecard.book.texts import absolute, matching

        paths = {absolute(path): None for path in self.repository.names(folder, self.revision)}
        return matching(paths, folder, pattern)


def _repository(config: Path) -> Repository | None:
    top = _git(config.parent.resolve(), "rev-parse", "--show-toplevel")
    return None if top is None else Repository(Path(top.rstrip("\n")).resolve())


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - no shell; a revision never begins with a dash
            ["git", *words],  # noqa: S607 - the analyst's own git
            cwd=folder,
            capture_output=True,
            check=False,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout.decode("utf-8") if done.returncode == 0 else None
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None  # no git on this machine: there are no revisions
