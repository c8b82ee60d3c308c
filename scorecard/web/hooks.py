"""Tokens of upstream systems: each may ask for the pull of one source, and for nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from flask import Request
from itsdangerous import BadData

from scorecard.ground.clock import utc_text
from scorecard.ground.errors import Problem, Refused
from scorecard.journal.journal import Journal
from scorecard.web.answers import Denied
from scorecard.web.tokens import check_running, serializer

MARK = "scs_"
"""Begins every such token, so that a foreign bearer token, a proxy's say, is never taken for one."""
ANOTHER = "make a new one: scorecard token create --source NAME"


@dataclass(frozen=True, slots=True)
class SourceGrant:
    """What a good token may refresh."""

    id: str
    source: str
    expires: datetime


def create_source_token(
    journal: Journal, secret: bytes, source: str, expires: datetime, base_url: str, *, by: str = "command line"
) -> dict[str, object]:
    """A new token, on disk before it is given out: ``{"id", "source", "token", "url", "expires"}``. Itself it is not kept.

    ``url`` takes a POST as it stands; without its token, the token goes along as a bearer. ``expires`` is aware; Refused if
    it has passed. Whether the source exists is the caller's to check against the book.
    """
    if expires <= journal.clock.now():
        said = f"the token would expire at {utc_text(expires)}, which has passed"
        raise Refused(Problem(said, hint="choose a later moment"))
    entry = journal.add("token", by, {"source": source, "expires": utc_text(expires)})
    signed = serializer(secret, "scorecard.source").dumps([entry.id, source, int(expires.timestamp())])
    token = MARK + (signed if isinstance(signed, str) else signed.decode())
    url = f"{base_url.rstrip('/')}/api/v1/sources/{quote(source, safe='')}/refresh?token={token}"
    return {"id": entry.id, "source": source, "token": token, "url": url, "expires": utc_text(expires)}


def shown_token(request: Request) -> str | None:
    """The token of a source that a request shows, as a bearer or in its address; None if it shows none."""
    written = request.args.get("token", "")
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip().startswith(MARK):
        return bearer.strip()
    return written if written.startswith(MARK) else None


def read_source_token(journal: Journal, secret: bytes, token: str) -> SourceGrant:
    """What the token may refresh. Denied (401) if it is not ours, was edited, has expired or was revoked."""
    try:
        id_, source, expires = serializer(secret, "scorecard.source").loads(token.removeprefix(MARK))
        grant = SourceGrant(str(id_), str(source), datetime.fromtimestamp(int(expires), UTC))
    except (BadData, ValueError, TypeError, OverflowError):
        raise Denied(401, "this token is not valid", "send the whole token as it was given to you") from None
    check_running(journal, grant.id, grant.expires, "token", ANOTHER)
    return grant


def check_refresh(grant: SourceGrant, request: Request) -> None:
    """Denied (403) for anything but the refresh of the token's own source."""
    found = re.fullmatch(r"/api/v1/sources/([^/]+)/refresh", request.path)
    if request.method != "POST" or found is None or unquote(found[1]) != grant.source:
        said = f"this token refreshes the source '{grant.source}' and opens nothing else"
        raise Denied(403, said, f"POST /api/v1/sources/{grant.source}/refresh")
