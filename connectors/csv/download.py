"""A CSV at an http(s) address: fetched whole into a temporary file first, so that a cut-off answer never becomes rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.contract import Pull, SourceFailed
from connectors.http.auth import read_auth
from connectors.http.failures import Told
from connectors.http.patience import patiently
from connectors.http.transport import Transport
from connectors.temporary import temporary_folder


@dataclass(frozen=True, slots=True)
class Downloaded:
    """``path``: the body, None where the server says it is the one of last time; ``name`` to call it by.

    ``server``: what lets the next pull ask whether it has changed, empty where the server gives nothing for that.
    """

    path: Path | None
    name: str
    server: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def downloaded(request: Pull, address: str, known: Mapping[str, Any]) -> Iterator[Downloaded]:
    """The file behind an address, gone when left. ``known``: the ``server`` of the load whose rows the table holds.

    Raises SourceFailed as the transport does.
    """
    asked = hashlib.sha256(address.encode()).hexdigest()[:16]
    known = known if known.get("asked") == asked else {}
    pairs = {"If-None-Match": known.get("etag"), "If-Modified-Since": known.get("modified")}
    headers = {name: str(value) for name, value in pairs.items() if value}
    transport = Transport(request, read_auth(request))
    with temporary_folder() as folder, transport:
        path = Path(folder) / "download.csv"
        with path.open("wb") as file:

            def once() -> Told:
                file.seek(0)
                file.truncate()
                return transport.download(address, file, headers)

            told = patiently(once, transport.seconds_left)
        shown = transport.shown(address)
        if told.status == 304:
            if not headers:
                raise SourceFailed(f"{shown} answers 'not modified' unasked (304)", hint="check the address")
            yield Downloaded(None, shown, known)
            return
        etag, modified = told.headers.get("ETag"), told.headers.get("Last-Modified")
        server = {"asked": asked, "etag": etag, "modified": modified} if etag or modified else {}
        yield Downloaded(path, shown, server)
