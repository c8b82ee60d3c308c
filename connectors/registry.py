"""Which function pulls which kind of source. Modules are imported when their kind is first pulled, so start-up stays light."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from connectors.contract import Batch, Pull, SourceFailed


def _csv(request: Pull) -> Iterator[Batch]:
    from connectors.csv_files import pull as pull_csv

    return pull_csv(request)


def _sql(request: Pull) -> Iterator[Batch]:
    if request.given is not None:
        from connectors.given import pull_rows

        return pull_rows(request)
    from connectors.sql_query import pull as pull_sql

    return pull_sql(request)


def _http(request: Pull) -> Iterator[Batch]:
    from connectors.http_api import pull as pull_http

    return pull_http(request)


KINDS: dict[str, Callable[[Pull], Iterator[Batch]]] = {"csv": _csv, "http": _http, "sql": _sql}


def kinds() -> tuple[str, ...]:
    """The kinds of source that can be pulled."""
    return tuple(KINDS)


def pull(request: Pull) -> Generator[Batch, None, None]:
    """The rows of one source. Raises SourceFailed, on the call or while the batches are read."""
    function = KINDS.get(request.kind)
    if function is None:
        known = ", ".join(KINDS)
        raise SourceFailed(
            f"kind '{request.kind}' cannot be pulled", hint=f"kinds that can: {known}", place=request.source
        )
    yield from function(request)


def glance(request: Pull) -> tuple[int, str] | None:
    """(rows, a text that is the same while the source gives the same), had for less than the rows; None: it cannot be told."""
    if request.kind != "sql":
        return None
    from connectors.sql.glance import glance as glance_at_query

    return glance_at_query(request)
