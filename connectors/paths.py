"""Which files a source may read."""

from __future__ import annotations

from pathlib import Path

from connectors.contract import Pull, SourceFailed


def may_read(path: Path, request: Pull) -> Path:
    """The path itself, if the file it really is lies in the folder or an allowed place."""
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as problem:
        raise SourceFailed(f"cannot open {path.name}: {problem}") from None
    places = [place.resolve() for place in (request.folder, *request.allowed)]
    if not any(real.is_relative_to(place) for place in places):
        hint = "put the file there, or list its folder under organization.allow_paths"
        raise SourceFailed(f"{path} lies outside the folder of metrics.yaml", hint=hint)
    if not real.is_file():
        raise SourceFailed(f"{path} is not a file")
    return path
