"""What every command needs: the global options, where output goes, and the product, opened or running elsewhere."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from scorecard.ground.clock import Clock, FixedClock, SystemClock
from scorecard.ground.errors import Place, Problem, Refused

if TYPE_CHECKING:
    from scorecard.cli.product import Product

FORMATS = ("table", "json", "csv")
COLORS = ("auto", "always", "never")


@dataclass(slots=True)
class Options:
    """The global options, wherever on the line they stood.

    ``folder``: where the paths on the line begin, and ``width``: the terminal's columns, None for a pipe. A command that is
    handed to the running process carries both, because that process stands elsewhere.
    """

    config: Path = Path("metrics.yaml")
    data: Path = Path("data")
    now: str | None = None
    format: str = "table"
    color: str = "auto"
    folder: Path = Path()
    width: int | None = None
    debug: bool = False


@dataclass(slots=True)
class Session:
    """One command's run. ``product`` is set inside a running process; on a terminal it is opened when first asked for.

    ``files``: the working files as a handed-over command sent them (``working.Sent``); None: they are on the disk.
    """

    options: Options = field(default_factory=Options)
    arguments: tuple[str, ...] = ()
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    product: Product | None = None
    inside: bool = False
    files: Mapping[str, str] | None = None

    def say(self, text: str) -> None:
        self.out.write(text + "\n")

    def warn(self, text: str) -> None:
        self.err.write(text + "\n")

    @property
    def on_terminal(self) -> bool:
        return not self.inside and self.err.isatty()

    @property
    def coloured(self) -> bool:
        """Whether colours are wanted: on a terminal that can show them, unless NO_COLOR is set, or where they are asked for."""
        if self.options.color != "auto":
            return self.options.color == "always"
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return not self.inside and self.out.isatty() and not plain

    @property
    def width(self) -> int | None:
        """The terminal's columns; None where the output goes into a pipe or a file."""
        if self.options.width is not None or self.inside or not self.out.isatty():
            return self.options.width
        import shutil

        return shutil.get_terminal_size().columns

    def clock(self) -> Clock:
        """The system's clock, or the fixed one of ``--now``; Refused where that is no moment."""
        text = self.options.now
        if text is None:
            return SystemClock()
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Refused(Problem(f"--now {text!r} is no moment", hint="write it like 2026-09-28T08:00:00Z")) from None
        return FixedClock(moment if moment.tzinfo else moment.replace(tzinfo=UTC))

    def config_file(self) -> Path:
        """The path of metrics.yaml; Refused where there is none."""
        path = self.options.config
        if not path.is_file():
            raise Refused(
                Problem(
                    "there is no such file" if not path.is_dir() else "this is a folder, not a file",
                    Place(str(path)),
                    "name the file with --config, or run the command in the folder that holds metrics.yaml",
                )
            )
        return path


class Captured(io.StringIO):
    """Output of a command that runs inside the serving process."""

    def isatty(self) -> bool:
        return False
