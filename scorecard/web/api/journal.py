"""What people write: notes, actions, flags, values, overrides and sign-offs. Added and read, never changed."""

from __future__ import annotations

from flask import Blueprint, Response

from scorecard.web.answers import json_answer
from scorecard.web.api.asked import Asked, json_body
from scorecard.web.api.forms import KINDS, Kind, filled
from scorecard.web.doors import Doors


def attach_journal(api: Blueprint, doors: Doors) -> None:
    """``POST`` and ``GET`` of ``/notes``, ``/actions``, ``/flags``, ``/values``, ``/overrides``, ``/signoffs``."""
    for kind in KINDS:
        _attach(api, doors, kind)


def _attach(api: Blueprint, doors: Doors, kind: Kind) -> None:
    def write() -> Response:
        Asked()
        by, body = filled(kind, json_body(), doors.publisher.current(), doors.journal, doors.clock.now())
        entry = doors.journal.add(kind.name, by, body)  # returns once it is on disk, and only then do we say so
        doors.journal_written(entry)
        return json_answer(entry.as_json(), 201)

    def read() -> Response:
        asked = Asked(*kind.filters, "limit")
        asked.grain()
        filters = {name: asked.text(name) for name in kind.filters}
        found = doors.journal.entries(kind.name, limit=asked.number("limit", 100, 1000), **filters)
        return json_answer({kind.plural: [entry.as_json() for entry in found]})

    api.add_url_rule(f"/{kind.plural}", f"write_{kind.plural}", write, methods=["POST"])
    api.add_url_rule(f"/{kind.plural}", f"read_{kind.plural}", read, methods=["GET"])
