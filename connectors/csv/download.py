"""A CSV at an http(s) address: fetched whole into a temporary file first, so that a cut-off answer never becomes rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from connectors.contract import Pull
from connectors.http.auth import read_auth
from connectors.http.patience import patiently
from connectors.http.transport import Transport


@contextmanager
def downloaded(request: Pull, address: str) -> Iterator[tuple[Path, str]]:
    """The file behind an address and the name to call it by; gone when left. Raises SourceFailed as the transport does."""
    transport = Transport(request, read_auth(request))
    with TemporaryDirectory(prefix="scorecard-") as folder, transport:
        path = Path(folder) / "download.csv"
        with path.open("wb") as file:

            def once() -> None:
                file.seek(0)
                file.truncate()
                transport.download(address, file)

            patiently(once, transport.seconds_left)
        yield path, transport.shown(address)
