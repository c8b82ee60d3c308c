"""What was asked: query parameters and JSON bodies, checked, with all problems at once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from scorecard.ground.clock import Clock
from scorecard.ground.errors import Problem, Refused, did_you_mean
from scorecard.ground.periods import GRAINS

NOW_WITHIN = timedelta(minutes=2)
"""How far from this moment ``as_of`` may lie while earlier boards are not kept."""


class Asked:
    """The query of one request. Raises Refused for parameters that are unknown, given twice or empty."""

    def __init__(self, *known: str) -> None:
        # A wall's token may stand in any address; the gate has read it already.
        allowed = (*known, "token")
        problems = []
        for name in request.args:
            if name not in allowed:
                hint = did_you_mean(name, known) or (f"known: {', '.join(known)}" if known else "it takes none")
                problems.append(Problem(f"unknown parameter '{name}'", hint=hint))
            elif len(request.args.getlist(name)) > 1:
                problems.append(Problem(f"parameter '{name}' is given twice", hint="give it once"))
        if problems:
            raise Refused(*problems)
        self._values = {name: value for name, value in request.args.items() if value != ""}

    def text(self, name: str) -> str | None:
        return self._values.get(name)

    def grain(self) -> str | None:
        """One of the grains; Refused with the nearest otherwise."""
        return checked_grain(self._values.get("grain"))

    def number(self, name: str, default: int | None, highest: int) -> int | None:
        """A whole number from 1 to ``highest``."""
        written = self._values.get(name)
        if written is None:
            return default
        if not written.isascii() or not written.isdigit() or not 1 <= int(written[:9]) <= highest:
            raise Refused(Problem(f"'{name}' is '{written[:40]}'", hint=f"a whole number from 1 to {highest}"))
        return int(written[:9])

    def slice(self) -> tuple[str, str] | None:
        """("team", name) or ("process", name), or None; Refused where both are given."""
        team, process = self._values.get("team"), self._values.get("process")
        if team is not None and process is not None:
            raise Refused(Problem("'team' and 'process' are both given", hint="choose one of the two"))
        return ("team", team) if team is not None else ("process", process) if process is not None else None

    def check_as_of(self, clock: Clock) -> None:
        """Only this moment can be answered for: earlier boards are not kept yet."""
        written = self._values.get("as_of")
        if written is None or written == "now":
            return
        moment = read_moment(written)
        if moment is None:
            raise Refused(Problem(f"as_of is '{written[:40]}'", hint="a moment such as 2026-09-28T08:00:00Z"))
        if abs(moment - clock.now()) > NOW_WITHIN:
            raise Refused(
                Problem("what was known then is not kept yet", hint="leave out as_of to ask for what is known now")
            )


def checked_grain(grain: str | None) -> str | None:
    if grain is not None and grain not in GRAINS:
        hint = did_you_mean(grain, GRAINS) or f"one of {', '.join(GRAINS)}"
        raise Refused(Problem(f"'{grain[:40]}' is no grain", hint=hint))
    return grain


def read_moment(text: str) -> datetime | None:
    """An aware moment from ISO 8601 (a space for a + that the address lost is forgiven), or None."""
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else None


def json_body() -> dict[str, Any]:
    """The body as a mapping. 415 if it does not say JSON; Refused if it is not, NaN and doubled keys included."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    try:
        body = json.loads(request.get_data(), parse_constant=_no_constant, object_pairs_hook=_no_doubles)
        _check_finite(body)
    except RecursionError:
        raise Refused(Problem("the JSON is nested too deeply")) from None
    except ValueError as error:  # also wrong UTF-8
        place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        why = f": {error}" if type(error) is ValueError else ""
        raise Refused(Problem(f"the body is not JSON{place}{why}", hint="one JSON object in UTF-8")) from None
    if not isinstance(body, dict):
        raise Refused(Problem("the body is not a JSON object", hint='send {"key": value, …}'))
    return body


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _no_doubles(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key[:40]}' is there twice")
        found[key] = value
    return found


def _check_finite(value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        _check_finite(inner)
