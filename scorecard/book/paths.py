"""Which files a definition may name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def inside(folder: Path, text: str, allowed: Iterable[Path] = ()) -> bool:
    """Whether a path (or glob), relative to ``folder``, stays in it or in an allowed place; links are looked at on opening."""
    whole = Path(os.path.normpath(folder.absolute() / text))
    places = [folder.absolute(), *(place.absolute() for place in allowed)]
    return any(whole.is_relative_to(os.path.normpath(place)) for place in places)
