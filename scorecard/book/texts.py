"""Where the text of metrics.yaml and what it includes comes from: the disk, or texts that somebody else has read."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Protocol

from scorecard.ground.errors import Place, Problem
from scorecard.ground.values import dataclass
from scorecard.ground.yamlfile import read_text


class Texts(Protocol):
    """The texts of some files."""

    def text(self, path: Path, name: str) -> tuple[str | None, list[Problem]]:
        """The file as text, or None and why not; ``name`` is how people know it."""
        ...

    def matches(self, folder: Path, pattern: str) -> list[Path]:
        """The files below a folder that a glob names, sorted."""
        ...


class OnDisk:
    """Files as they are now."""

    def text(self, path: Path, name: str) -> tuple[str | None, list[Problem]]:
        return read_text(path, name)

    def matches(self, folder: Path, pattern: str) -> list[Path]:
        return sorted(path for path in folder.glob(pattern) if path.is_file())


ON_DISK = OnDisk()


@dataclass(frozen=True, slots=True)
class Given:
    """Texts by absolute path; what is not among them is not there, whatever lies on the disk."""

    files: Mapping[str, str] = field(default_factory=dict)

    def text(self, path: Path, name: str) -> tuple[str | None, list[Problem]]:
        found = self.files.get(absolute(path))
        return found, [] if found is not None else [Problem("there is no such file", Place(name))]

    def matches(self, folder: Path, pattern: str) -> list[Path]:
        return matching(self.files, folder, pattern)


def absolute(path: Path) -> str:
    """A path by which a file is known wherever a command was started; links are left as they are."""
    return os.path.normpath(path.absolute())


def matching(paths: Mapping[str, object], folder: Path, pattern: str) -> list[Path]:
    """Those of some absolute paths that a glob names below a folder, sorted, as ``Path.glob`` would find them."""
    top = absolute(folder)
    wanted = re.compile("".join(_translated(Path(pattern).parts)))
    inside = [path for path in paths if path.startswith(top + os.sep)]
    return sorted(folder / path[len(top) + 1 :] for path in inside if wanted.fullmatch(path[len(top) + 1 :]))


def _translated(parts: tuple[str, ...]) -> list[str]:
    said = []
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        if part == "**":
            said.append(".*" if last else "(?:[^/]+/)*")
        else:
            one = fnmatch.translate(part).removeprefix("(?s:").removesuffix(")\\Z").removesuffix(")\\z")
            said.append(one.replace(".*", "[^/]*") + ("" if last else "/"))
    return said
