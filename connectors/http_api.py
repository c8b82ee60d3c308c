"""Rows from an HTTP address: JSON, NDJSON or CSV, page after page, all of them or none."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlsplit

import pyarrow as pa

from connectors.columns import Gathering
from connectors.contract import Batch, Pull, Rejected, SourceFailed
from connectors.cursors import iso_text, source_zone, written_cursor
from connectors.http.auth import read_auth
from connectors.http.failures import AnswerRefusedError
from connectors.http.paging import Ask, Pager
from connectors.http.records import BrokenJsonError, Flattening, find_records, read_json
from connectors.http.transport import Answer, Transport

CURSOR = re.compile(r":cursor\b")
FORMATS = ("json", "ndjson", "csv")
WAITS = 3
WAIT_SECONDS = 30.0
REJECTED_LIMIT = 100_000


def pull(request: Pull) -> Iterator[Batch]:
    """All pages' rows; or only the number of rows where the server says that nothing changed since the last pull (304).

    Nothing is sent before the last page has come whole. Raises SourceFailed: not to be reached, refused, too slow, too
    large, broken off, not what was announced, pages in a circle, no records where ``records`` points.
    """
    auth = read_auth(request.options.get("auth"))
    first = _first_ask(request)
    with Transport(request, auth) as transport:
        pager = Pager(request.options.get("paging"), transport, first)
        known = _known(request, first)
        answer = _ask(request, transport, pager.start(), known)
        if answer.status == 304:
            if not known:
                raise SourceFailed(
                    f"{transport.shown(answer.address)} answers 'not modified' unasked (304)", hint="check headers"
                )
            yield Batch(rows=pa.table({}), unchanged=int(known["rows"]), state={"http": dict(known)})
        elif (kind := _format(request, answer, transport)) == "csv":
            yield from _csv(request, transport, answer, pager)
        else:
            reading = Reading(request, kind, transport)
            with reading.gathering as gathering:
                last = _all_pages(request, transport, pager, reading, answer)
                gathering.finish()
                state = {"http": _remembered(request, first, last, pager)}
                for number, table in enumerate(gathering.tables()):
                    yield Batch(rows=table, rejected=tuple(reading.rejected) if not number else (), state=state)


# -- asking ---------------------------------------------------------------------------------------------------------


def _first_ask(request: Pull) -> Ask:
    url = request.options.get("url")
    if request.options.get("preset") and not url:
        raise SourceFailed(
            f"preset '{request.options['preset']}' is not supported yet", hint="write url, records and paging out"
        )
    if not isinstance(url, str) or urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise SourceFailed(
            "url: an address that begins with https:// is needed", hint="https://api.example.com/v1/surveys"
        )
    params = request.options.get("params") or {}
    return Ask(_filled(url, request, address=True), _filled(dict(params), request))


def _filled(value: Any, request: Pull, *, address: bool = False) -> Any:
    """The value with ``:cursor`` replaced, however deep it stands."""
    if isinstance(value, dict):
        return {key: _filled(inner, request) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_filled(inner, request) for inner in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str) or not CURSOR.search(value):
        return value
    if request.cursor is None:
        raise SourceFailed(":cursor is used, and the source declares no cursor", hint="add cursor: {column: ...}")
    written = written_cursor(request.cursor, source_zone(request))
    text = iso_text(request.cursor.value) if written is None else written
    if value == ":cursor":
        return text
    return CURSOR.sub(lambda _: quote(str(text), safe="") if address else str(text), value)


def _ask(request: Pull, transport: Transport, ask: Ask, known: Mapping[str, Any]) -> Answer:
    headers = {
        str(key): str(value) for key, value in _filled(dict(request.options.get("headers") or {}), request).items()
    }
    if known.get("etag"):
        headers["If-None-Match"] = str(known["etag"])
    if known.get("modified"):
        headers["If-Modified-Since"] = str(known["modified"])
    body = request.options.get("body")
    method = str(request.options.get("method") or ("GET" if body is None else "POST")).upper()
    filled = None if body is None else _filled_body(body, request)
    return transport.ask(ask.address, method=method, params=ask.params, headers=headers, body=filled)


def _filled_body(body: Any, request: Pull) -> Any:
    """As ``_filled``, but true and false stay what they are."""
    if isinstance(body, dict):
        return {key: _filled_body(inner, request) for key, inner in body.items()}
    if isinstance(body, list):
        return [_filled_body(inner, request) for inner in body]
    return body if isinstance(body, bool) else _filled(body, request)


def _all_pages(request: Pull, transport: Transport, pager: Pager, reading: Reading, answer: Answer) -> Answer:
    """Reads page after page; gives the last answer."""
    while True:
        document, count = reading.take(answer)
        following = pager.after(answer, document, count)
        if following is None:
            return answer
        for attempt in range(WAITS + 1):
            try:
                answer = _ask(request, transport, following, {})
                break
            except AnswerRefusedError as refused:
                if refused.status == 404 and pager.may_be_past_the_end():
                    return answer
                wait = refused.after if refused.after is not None else 2.0**attempt
                if not refused.retry or attempt == WAITS or wait > min(WAIT_SECONDS, transport.seconds_left()):
                    raise
                time.sleep(wait)


# -- what the server said last time ---------------------------------------------------------------------------------


def _known(request: Pull, first: Ask) -> Mapping[str, Any]:
    """What the last pull remembered of this very request, else nothing."""
    found = request.state.get("http")
    return found if isinstance(found, Mapping) and found.get("asked") == _asked(request, first) else {}


def _asked(request: Pull, first: Ask) -> str:
    shaping = {
        key: request.options.get(key) for key in ("records", "headers", "body", "method", "format", "csv", "paging")
    }
    whole = [first.address, dict(first.params), shaping, sorted(request.columns.items())]
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()


def _remembered(request: Pull, first: Ask, answer: Answer, pager: Pager) -> dict[str, Any]:
    """For the next pull. Only a single page may be called unchanged: the first page says nothing of the others."""
    etag, modified = answer.headers.get("ETag"), answer.headers.get("Last-Modified")
    if pager.number > 1 or not (etag or modified):
        return {}
    return {"asked": _asked(request, first), "etag": etag, "modified": modified, "rows": pager.rows}


# -- reading --------------------------------------------------------------------------------------------------------


def _format(request: Pull, answer: Answer, transport: Transport) -> str:
    """What the body is: as declared, else as the server says, else as it begins. Raises SourceFailed for a web page."""
    said = answer.headers.get("Content-Type", "").split(";")[0].strip().lower()
    start = answer.body[:500].lstrip(b"\xef\xbb\xbf \t\r\n")
    shown = transport.shown(answer.address)
    if "html" in said or start[:1] == b"<":
        hint = "it may be a login or an error page: check the url and auth"
        raise SourceFailed(f"{shown} answers with a web page, not with data ({said or 'no content type'})", hint=hint)
    declared = request.options.get("format")
    if declared is not None:
        if declared not in FORMATS:
            raise SourceFailed(f"format {declared!r} is not known", hint=f"one of {', '.join(FORMATS)}")
        return str(declared)
    if "ndjson" in said or "jsonl" in said or "json-seq" in said or "x-json-stream" in said:
        return "ndjson"
    if "csv" in said:
        return "csv"
    if "json" in said or start[:1] in {b"{", b"[", b""}:
        return "json"
    raise SourceFailed(
        f"{shown} answers with {said or 'something without a content type'}", hint="set format: json, ndjson or csv"
    )


class Reading:
    """Takes the records out of each page."""

    def __init__(self, request: Pull, kind: str, transport: Transport) -> None:
        self.rejected: list[Rejected] = []
        self._request = request
        self._kind = kind
        self._transport = transport
        self.gathering = Gathering(lambda line, reason, row: self._reject(line, reason, _shown(row)))
        self._flattening = Flattening()
        self._line = 0

    def take(self, answer: Answer) -> tuple[Any, int]:
        """Reads a page; gives the document (None for NDJSON) and the number of its records. Raises SourceFailed."""
        if self._kind == "ndjson":
            return None, self._take_lines(answer)
        if not answer.body.strip():
            if answer.status == 204:
                return None, 0
            raise SourceFailed(f"{self._transport.shown(answer.address)} answers with nothing", hint="check the url")
        try:
            document = read_json(answer.body)
        except BrokenJsonError as problem:
            shown = self._transport.shown(answer.address)
            raise SourceFailed(
                f"{shown} answers with JSON that is broken: {problem}", hint="ask the people who run it"
            ) from None
        path = self._request.options.get("records")
        if path is None and isinstance(document, dict) and isinstance(document.get("value"), list):
            path = "$.value" if (self._request.options.get("paging") or {}).get("style") == "odata" else None
        records = find_records(document, path)
        for record in records:
            self._take(record)
        return document, len(records)

    def _take_lines(self, answer: Answer) -> int:
        """Every line is a document of its own: a broken one is put aside."""
        count = 0
        for line in answer.body.split(b"\n"):
            if not line.strip():
                continue
            count += 1
            try:
                self._take(read_json(line))
            except BrokenJsonError as problem:
                self._line += 1
                self._reject(self._line, str(problem), line.decode("utf-8", "replace"))
        return count

    def _take(self, record: Any) -> None:
        self._line += 1
        if not isinstance(record, dict):
            if isinstance(record, list):
                self._reject(self._line, "a record that is a list, not an object", json.dumps(record))
                return
            record = {"value": record}
        self.gathering.add_mapping(self._line, self._flattening.row(record))

    def _reject(self, line: int, reason: str, text: str) -> None:
        self.rejected.append(Rejected(self._request.source, line, reason, text[:500]))
        if len(self.rejected) > REJECTED_LIMIT:
            raise SourceFailed(f"more than {REJECTED_LIMIT:,} records cannot be read", hint=self.rejected[0].reason)


def _shown(row: Sequence[Any]) -> str:
    return ", ".join("null" if value is None else str(value) for value in row)


def _csv(request: Pull, transport: Transport, answer: Answer, pager: Pager) -> Iterator[Batch]:
    """A CSV body, through the readers for files."""
    from connectors.csv_files import pull_file  # DuckDB is not needed for JSON

    if request.options.get("paging"):
        raise SourceFailed("a CSV answer cannot be paged", hint="take paging out, or ask for JSON")
    with TemporaryDirectory(prefix="scorecard-") as folder:
        path = Path(folder) / "answer.csv"
        path.write_bytes(answer.body)
        name = transport.shown(answer.address)
        for batch in pull_file(request, path, name):
            pager.rows += batch.rows.num_rows if isinstance(batch.rows, pa.Table) else 0
            yield batch
