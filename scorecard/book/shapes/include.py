"""The grammar of an include that is more than a path: a shipped pack, and how it is taken."""

from __future__ import annotations

from scorecard.book.shapes.records import Key, ListOf, Raw, Record
from scorecard.book.shapes.scalars import Text

_NAMES: dict[str, object] = {"type": "object", "additionalProperties": {"type": "string"}}
INCLUDE = Record((
    Key("pack", Text("the name of a shipped pack"), "the shipped pack", required=True, example="contact-centre"),
    Key("only", ListOf(Text("a metric of the pack"), single=True), "take these metrics, and what their formulas are made of"),
    Key("without", ListOf(Text("a metric of the pack"), single=True), "take all but these"),
    Key("sources", Raw(_NAMES), "the pack's source: yours", example={"tickets": "helpdesk"}),
    Key("columns", Raw({"type": "object", "additionalProperties": _NAMES}), "the pack's columns: yours, by the pack's source",
        example={"tickets": {"resolved_at": "closed_on"}}),
    Key("defaults", Raw({"$ref": "#/$defs/defaults"}), "for every metric of the pack that does not say otherwise",
        example={"process": "ticket-resolution"}),
    Key("adjust", Raw({"type": "object", "additionalProperties": {"$ref": "#/$defs/adjusted"}}),
        "metric: its own targets, title, process, …", example={"csat": {"target": "85%", "tolerance": "3pp"}}),
))  # fmt: skip
