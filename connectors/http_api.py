"""Rows from an HTTP address: JSON, NDJSON or CSV, page after page, all of them or none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors.columns import Gathering
from connectors.contract import Batch, Given, Pull, Rejected, SourceFailed
from connectors.http.asking import Ask, Asking
from connectors.http.auth import read_auth
from connectors.http.failures import AnswerRefusedError, refused_inside
from connectors.http.paging import Pager
from connectors.http.patience import patiently
from connectors.http.records import BrokenJsonError, Flattening, find_all, read_json
from connectors.http.rows import Shaping
from connectors.http.transport import Answer, Transport
from connectors.temporary import temporary_folder

FORMATS = ("json", "ndjson", "csv")
REJECTED_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Page:
    """An answer, what it is (json, ndjson, csv; empty for a 304), and its document where it is JSON."""

    answer: Answer
    kind: str
    document: Any = None


def pull(request: Pull) -> Iterator[Batch]:
    """All pages' rows; or only the number of rows where the server says that nothing changed since the last pull (304).

    Nothing is sent before the last page has come whole. Raises SourceFailed: not to be reached, refused, too slow, too
    large, broken off, not what was announced, an error inside the answer, pages in a circle, no records where ``records``
    points. No secret is in its message, whoever put it there.
    """
    if request.given is not None:
        with Transport(request) as transport:
            yield from _again(request, request.given, transport)
        return
    with Transport(request, read_auth(request)) as transport:
        try:
            yield from _pulled(request, transport)
        except SourceFailed as problem:
            problem.message = transport.redaction.clean(problem.message)
            problem.args = (problem.message,)
            problem.hint = None if problem.hint is None else transport.redaction.clean(problem.hint)
            raise


def _pulled(request: Pull, transport: Transport) -> Iterator[Batch]:
    asking = Asking(request)
    pager = Pager(request.options.get("paging"), transport, asking)
    asked = asking.fingerprint(pager.first)
    known = _known(request, asked)
    first = _page(request, transport, pager.start(), known)
    if first.answer.status == 304:
        if not known:
            raise SourceFailed(
                f"{transport.shown(first.answer.address)} answers 'not modified' unasked (304)", hint="check headers"
            )
        yield Batch(rows=pa.table({}), unchanged=int(known["rows"]), state={"http": dict(known)})
    elif first.kind == "csv":
        _land(request, transport, first)
        yield from _csv(request, transport, first.answer, pager)
    else:
        reading = Reading(request, pager)
        with reading.gathering as gathering:
            last = _all_pages(request, transport, pager, reading, first)
            gathering.finish()
            state = {"http": _remembered(asked, last.answer, pager)}
            for number, table in enumerate(gathering.tables()):
                yield Batch(rows=table, rejected=tuple(reading.rejected) if not number else (), state=state)


def _again(request: Pull, given: Sequence[Given], transport: Transport) -> Iterator[Batch]:
    """The rows of answers that were kept; nobody is asked anything."""
    pager = Pager(request.options.get("paging"), transport, Asking(request))
    reading = Reading(request, pager)
    with reading.gathering as gathering:
        for one in given:
            typed = {} if one.charset is None else {"Content-Type": f"text/plain; charset={one.charset}"}
            answer = Answer(200, typed, one.path.read_bytes(), one.name)
            if one.form == "csv":
                yield from _csv(request, transport, answer, pager)
                return
            page = Page(answer, one.form, _document(request, answer, transport) if one.form == "json" else None)
            rows = reading.take(page)
            if pager.style == "keyset":
                pager.after(answer, page.document, rows)  # it knows which row the next page repeats
        gathering.finish()
        for number, table in enumerate(gathering.tables()):
            yield Batch(rows=table, rejected=tuple(reading.rejected) if not number else ())


def _land(request: Pull, transport: Transport, page: Page) -> None:
    if request.landing is not None:
        answer, typed = page.answer, Message()
        typed["Content-Type"] = answer.headers.get("Content-Type", "")
        shown, charset = transport.shown(answer.address), typed.get_content_charset()
        hidden = transport.redaction.telling()
        request.landing.answer(shown, page.kind, answer.body, status=answer.status, charset=charset, hidden=hidden)


# -- asking ---------------------------------------------------------------------------------------------------------


def _page(request: Pull, transport: Transport, ask: Ask, known: Mapping[str, Any]) -> Page:
    """One page, asked for again where that may help. Raises SourceFailed."""
    headers = dict(ask.headers)
    if known.get("etag"):
        headers["If-None-Match"] = str(known["etag"])
    if known.get("modified"):
        headers["If-Modified-Since"] = str(known["modified"])

    def once() -> Page:
        answer = transport.ask(ask.address, method=ask.method, params=ask.params, headers=headers, body=ask.body)
        if answer.status == 304:
            return Page(answer, "")
        kind = _format(request, answer, transport)
        document = _document(request, answer, transport) if kind == "json" else None
        return Page(answer, kind, document)

    return patiently(once, transport.seconds_left)


def _document(request: Pull, answer: Answer, transport: Transport) -> Any:
    """The JSON of an answer. Raises SourceFailed where it is broken, or carries an error in spite of its status."""
    shown = transport.shown(answer.address)
    if not answer.body.strip():
        if answer.status == 204:
            return None
        raise SourceFailed(f"{shown} answers with nothing", hint="check the url")
    typed = Message()
    typed["Content-Type"] = answer.headers.get("Content-Type", "")
    try:
        document = read_json(answer.body, typed.get_content_charset())
    except BrokenJsonError as problem:
        raise SourceFailed(
            f"{shown} answers with JSON that is broken: {problem}", hint="ask the people who run it"
        ) from None
    paths = request.options.get("errors") or (("$.errors",) if request.options.get("query") is not None else ())
    for path in paths:
        if any(found := find_all(document, str(path))):
            raise refused_inside(found[0], document, answer.headers, shown, request.now)
    return document


def _all_pages(request: Pull, transport: Transport, pager: Pager, reading: Reading, page: Page) -> Page:
    """Reads page after page; gives the last one."""
    while True:
        following = pager.waits(page.document)
        if following is None:
            _land(request, transport, page)
            following = pager.after(page.answer, page.document, reading.take(page))
        if following is None:
            return page
        try:
            page = _page(request, transport, following, {})
        except AnswerRefusedError as refused:
            if refused.status == 404 and pager.may_be_past_the_end():
                return page
            raise


# -- what the server said last time ---------------------------------------------------------------------------------


def _known(request: Pull, asked: str) -> Mapping[str, Any]:
    """What the last pull remembered of this very request, else nothing."""
    found = request.state.get("http")
    return found if isinstance(found, Mapping) and found.get("asked") == asked else {}


def _remembered(asked: str, answer: Answer, pager: Pager) -> dict[str, Any]:
    """For the next pull. Only a single page may be called unchanged: the first page says nothing of the others."""
    etag, modified = answer.headers.get("ETag"), answer.headers.get("Last-Modified")
    if pager.number > 1 or not (etag or modified):
        return {}
    return {"asked": asked, "etag": etag, "modified": modified, "rows": pager.rows}


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

    def __init__(self, request: Pull, pager: Pager) -> None:
        self.rejected: list[Rejected] = []
        self._request = request
        self._pager = pager
        usual = "value" if pager.style == "odata" else None
        self._shaping = Shaping(request.options.get("records"), request.options.get("rows"), usual)
        self.gathering = Gathering(lambda line, reason, row: self._reject(line, reason, _shown(row)))
        self._flattening = Flattening()
        # An API that leaves out what is empty may send pages on which a column never comes.
        self._sparse = tuple(request.columns) if (request.options.get("rows") or {}).get("sparse") else ()
        self._line = 0

    def take(self, page: Page) -> list[Any]:
        """Reads a page; gives its records. Raises SourceFailed."""
        if page.kind == "ndjson":
            return self._take_lines(page.answer)
        if page.document is None and page.answer.status == 204:
            return []
        records = self._pager.fresh(self._shaping.rows(page.document))
        for record in records:
            self._take(record)
        return records

    def _take_lines(self, answer: Answer) -> list[Any]:
        """Every line is a document of its own: a broken one is put aside."""
        lines: list[Any] = []
        for line in answer.body.split(b"\n"):
            if not line.strip():
                continue
            lines.append(line)
            try:
                self._take(read_json(line))
            except BrokenJsonError as problem:
                self._line += 1
                self._reject(self._line, str(problem), line.decode("utf-8", "replace"))
        return lines

    def _take(self, record: Any) -> None:
        self._line += 1
        if not isinstance(record, dict):
            if isinstance(record, list):
                self._reject(self._line, "a record that is a list, not an object", json.dumps(record))
                return
            record = {"value": record}
        row = self._flattening.row(record)
        for name in self._sparse:
            row.setdefault(name, None)
        self.gathering.add_mapping(self._line, row)

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
    with temporary_folder() as folder:
        path = Path(folder) / "answer.csv"
        path.write_bytes(answer.body)
        name = transport.shown(answer.address)
        for batch in pull_file(request, path, name):
            pager.rows += batch.rows.num_rows if isinstance(batch.rows, pa.Table) else 0
            yield batch
