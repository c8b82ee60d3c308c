"""JSON Schemas of everything the API takes and gives."""

from __future__ import annotations

from typing import Any

from scorecard.ground.periods import GRAINS
from scorecard.judgement.status import STATUSES
from scorecard.web.api.forms import CLEAR, LONGEST_NAME, LONGEST_TEXT

Schema = dict[str, Any]

PLURALS = {
    "notes": "Note",
    "actions": "Action",
    "flags": "Flag",
    "values": "Value",
    "overrides": "Override",
    "signoffs": "Signoff",
}

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
YES: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
STATUS: Schema = {"enum": list(STATUSES)}
GRAIN: Schema = {"enum": list(GRAINS)}
WORDS: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
DAY: Schema = {"type": "string", "format": "date"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def listed(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def whole(properties: Schema, optional: tuple[str, ...] = ()) -> Schema:
    """An object with exactly these keys."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


SLICE = {
    "anyOf": [
        {"type": "null"},
        whole({"team": TEXT}),
        whole({"process": TEXT}),
    ]
}
LIMIT = {"anyOf": [{"type": "null"}, NUMBER, {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}]}
INTERVAL = maybe(whole({"low": NUMBER, "high": NUMBER, "word": TEXT}))
PROJECTED = maybe(whole({"value": NUMBER, "low": maybe(NUMBER), "high": maybe(NUMBER), "chance": maybe(NUMBER)}))

OVERRIDDEN = maybe(whole({"by": TEXT, "text": maybe(TEXT), "until": maybe(MOMENT), "at": MOMENT}))
RESTATED = maybe(whole({"from": NUMBER, "text": TEXT, "at": MOMENT}))

READING = whole(
    {
        "metric": TEXT, "grain": GRAIN, "period": TEXT, "slice": SLICE, "team": maybe(TEXT), "process": maybe(TEXT),
        "start": MOMENT, "end": MOMENT, "running": YES, "provisional": YES, "value": maybe(NUMBER), "text": TEXT,
        "numerator": maybe(NUMBER), "denominator": maybe(NUMBER), "n": maybe(WHOLE), "target": LIMIT, "amber": LIMIT,
        "status": STATUS, "judged": STATUS, "reason": TEXT, "because": TEXT, "projected": PROJECTED,
        "previous": maybe(NUMBER), "year_ago": maybe(NUMBER), "signals": listed(TEXT),
        "conclusive": maybe(YES), "interval": INTERVAL, "override": OVERRIDDEN, "restated": RESTATED,
        "loaded_at": maybe(MOMENT), "data_until": maybe(MOMENT), "fresh_until": maybe(MOMENT),
        "as_of": MOMENT, "version": WHOLE,
    }
)  # fmt: skip
CARD = whole(
    {
        "name": TEXT, "kind": {"enum": ["organization", "team", "process"]}, "title": TEXT, "owner": maybe(TEXT),
        "period": maybe(TEXT), "grain": maybe(GRAIN), "status": maybe(STATUS),
        "counts": {"type": "object", "additionalProperties": WHOLE}, "readings": listed(ref("Reading")),
    }
)  # fmt: skip
BREAKER = whole({"state": {"enum": ["closed", "open", "half_open"]}, "since": maybe(MOMENT), "next_try": maybe(MOMENT)})
SOURCE = whole(
    {
        "name": TEXT, "kind": TEXT, "outcome": maybe(TEXT), "fresh": YES, "loaded_at": maybe(MOMENT),
        "data_until": maybe(MOMENT), "fresh_until": maybe(MOMENT), "quiet_until": maybe(MOMENT),
        "next_run": maybe(MOMENT), "problem": maybe(TEXT), "hint": maybe(TEXT),
        "rows": maybe(WHOLE), "generation": maybe(WHOLE), "quarantined": WHOLE,
        "future_rows": WHOLE, "undated_rows": WHOLE, "unassigned": listed(TEXT),
        "failing_since": maybe(MOMENT), "failures_in_a_row": WHOLE, "running_since": maybe(MOMENT),
        "late_since": maybe(MOMENT), "skipped": WHOLE, "skipped_at": maybe(MOMENT), "coalesced": WHOLE,
        "host": maybe(TEXT), "breaker": BREAKER,
        "waiting": maybe(WHOLE), "pinned": YES, "kept": whole({"generations": WHOLE, "bytes": WHOLE}),
    }
)  # fmt: skip
PROBLEM = whole(
    {
        "file": maybe(TEXT), "line": maybe(WHOLE), "column": maybe(WHOLE), "message": TEXT, "hint": maybe(TEXT),
        "severity": {"enum": ["error", "warning"]},
    }
)  # fmt: skip
OUTCOMES = ["ok", "unchanged", "held", "failed", "rejected", "superseded"]
DECISION = whole(
    {
        "what": {"enum": ["approve", "reject", "rollback", "supersede"]}, "by": maybe(TEXT), "why": maybe(TEXT),
        "at": MOMENT, "to": maybe(WHOLE),
    }
)  # fmt: skip
MOVE = whole(
    {
        "metric": TEXT, "grain": GRAIN, "period": TEXT, "slice": {"type": ["object", "null"]}, "from": maybe(NUMBER),
        "to": maybe(NUMBER), "text": TEXT,
    }
)  # fmt: skip
DECIDED = whole({"by": NAME, "why": {"type": "string", "maxLength": LONGEST_TEXT}}, optional=("why",))
ROLLBACK = whole({**DECIDED["properties"], "to": WHOLE}, optional=("why", "to"))
LOAD = whole(
    {
        "id": WHOLE, "source": TEXT, "outcome": {"enum": OUTCOMES}, "cause": TEXT,
        "started_at": MOMENT, "finished_at": MOMENT, "generation": WHOLE, "read": WHOLE, "loaded": WHOLE,
        "unchanged": WHOLE, "duplicate": WHOLE, "quarantined": WHOLE, "removed": WHOLE, "times_doubled": WHOLE,
        "times_missing": WHOLE, "seconds": NUMBER, "problem": maybe(TEXT), "problems": listed(ref("Problem")),
        "decision": maybe(ref("Decision")), "moves": listed(ref("Move")),
    }
)  # fmt: skip
ASIDE = whole(
    {"load": WHOLE, "file": maybe(TEXT), "line": maybe(WHOLE), "reason": TEXT, "value": maybe(TEXT), "text": TEXT}
)
QUARANTINE = whole(
    {
        "source": TEXT, "missing": WHOLE, "reasons": WHOLE,
        "groups": listed(whole({
            "reason": TEXT, "column": maybe(TEXT), "rows": WHOLE, "failed": maybe(WHOLE), "first": listed(ASIDE),
        })),
    }
)  # fmt: skip
SAID = whole({"message": TEXT, "hint": maybe(TEXT)})
ERROR = whole(
    {
        "error": whole(
            {"code": TEXT, "message": TEXT, "hint": maybe(TEXT), "problems": listed(SAID)}, optional=("problems",)
        )
    }
)

_ABOUT: Schema = {"metric": TEXT, "grain": maybe(GRAIN), "period": TEXT, "slice": SLICE}
_MAYBE_ABOUT: Schema = {"metric": maybe(TEXT), "grain": maybe(GRAIN), "period": maybe(TEXT), "slice": SLICE}
_FREE = ("grain", "slice")

# What is sent: (keys, those that may be left out).
NEW: dict[str, tuple[Schema, tuple[str, ...]]] = {
    "Note": ({**_ABOUT, "text": WORDS, "by": NAME}, _FREE),
    "Action": (
        {
            **_MAYBE_ABOUT, "text": maybe(WORDS), "owner": maybe(NAME), "due": maybe(DAY),
            "state": {"enum": ["open", "done", "dropped"]}, "follows": maybe(TEXT), "by": NAME,
        },
        ("metric", "period", "text", "owner", "due", "state", "follows", *_FREE),
    ),
    "Flag": ({**_ABOUT, "text": maybe(WORDS), "by": NAME}, ("text", *_FREE)),
    "Value": ({**_ABOUT, "value": NUMBER, "text": maybe(WORDS), "by": NAME}, ("text", *_FREE)),
    "Override": (
        {**_ABOUT, "status": {"enum": [*STATUSES, CLEAR]}, "text": maybe(WORDS), "until": maybe(MOMENT), "by": NAME},
        ("text", "until", *_FREE),
    ),
    "Signoff": (
        {"review": TEXT, "date": DAY, "value": maybe(TEXT), "text": maybe(WORDS), "by": NAME},
        ("review", "date", "value", "text"),
    ),
}  # fmt: skip


def _journal() -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for plural, name in PLURALS.items():
        keys, optional = NEW[name]
        found[f"New{name}"] = whole(keys, optional)
        # A sign-off has either a review's keys or a value's; everything else comes back with all of its keys.
        left_out = ("review", "date", "value") if name == "Signoff" else ()
        # ``judged``: what an override replaced; the server adds it.
        added = {"judged": STATUS} if name == "Override" else {}
        found[name] = whole({**keys, **added, "id": TEXT, "at": MOMENT}, left_out)
        found[f"{name}List"] = whole({plural: listed(ref(name))})
    return found


SCHEMAS: dict[str, Schema] = {
    "Version": whole({"version": WHOLE, "as_of": MOMENT}),
    "Reading": READING,
    "Readings": whole({"readings": listed(ref("Reading"))}),
    "Scorecard": CARD,
    "Explanation": {"type": "object", "description": "As `scorecard explain --format json`"},
    "Source": SOURCE,
    "Sources": whole({"sources": listed(ref("Source")), "notices": listed(ref("Problem"))}),
    "Problem": PROBLEM,
    "Load": LOAD,
    "Decision": DECISION,
    "Move": MOVE,
    "NewDecision": DECIDED,
    "NewRollback": ROLLBACK,
    "Loads": whole({"loads": listed(ref("Load"))}),
    "Quarantine": QUARANTINE,
    "Asked": whole({"source": TEXT, "asked": {"const": True}}),
    "OpenApi": {"type": "object", "required": ["openapi", "info", "paths"]},
    "Alive": whole({"alive": {"const": True}}),
    "Ready": whole({"ready": YES, "reasons": listed(TEXT)}),
    "Error": ERROR,
    **_journal(),
}
