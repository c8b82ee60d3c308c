"""Wall and embed links, and what all tokens have in common: signed, bound to one panel, expiring, revocable through the journal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

from itsdangerous import BadData, URLSafeSerializer

from scorecard.ground.clock import utc_text
from scorecard.ground.errors import NotFound, Problem, Refused, did_you_mean
from scorecard.journal.journal import Entry, Journal
from scorecard.web.answers import Denied

Door = Literal["wall", "embed"]
NEW_LINK = "ask for a new link: scorecard token create"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a good token opens."""

    id: str
    panel: str
    expires: datetime


def create_token(
    journal: Journal,
    secret: bytes,
    panel: str,
    expires: datetime,
    base_url: str,
    *,
    by: str = "command line",
    door: Door = "wall",
) -> dict[str, object]:
    """A new link, on disk before it is given out: ``{"id", "panel", "url", "expires"}``. The token itself is not kept.

    ``expires`` is aware; Refused if it has passed. Whether the panel exists is the caller's to check against the book.
    """
    if expires <= journal.clock.now():
        raise Refused(
            Problem(f"the link would expire at {utc_text(expires)}, which has passed", hint="choose a later moment")
        )
    entry = journal.add("token", by, {"panel": panel, "expires": utc_text(expires)})
    token = serializer(secret).dumps([entry.id, panel, int(expires.timestamp())])
    text = token if isinstance(token, str) else token.decode()
    url = f"{base_url.rstrip('/')}/{door}/{quote(panel, safe='')}?token={text}"
    return {"id": entry.id, "panel": panel, "url": url, "expires": utc_text(expires)}


def list_tokens(journal: Journal) -> tuple[dict[str, object], ...]:
    """All links and tokens ever made, newest first: ``id, panel, source, created, expires, revoked, by``.

    Of ``panel`` and ``source`` one is None; ``revoked`` is a moment or None.
    """
    revoked = _revoked(journal)
    return tuple(_listed(entry, revoked) for entry in journal.entries("token", limit=None))


def revoke_token(journal: Journal, id: str, *, by: str = "command line") -> dict[str, object]:  # noqa: A002 - as it is called
    """Makes a link worthless at once, on every process that reads the journal. NotFound for an unknown one."""
    found = {entry.id: entry for entry in journal.entries("token", limit=None)}
    if id not in found:
        raise NotFound(
            Problem(f"no link has the id '{id}'", hint=did_you_mean(id, found) or "see: scorecard token list")
        )
    if id not in _revoked(journal):
        kept = {name: found[id].body[name] for name in ("panel", "source") if name in found[id].body}
        journal.add("token_revoked", by, {"token": id, **kept})
    return _listed(found[id], _revoked(journal))


def read_token(journal: Journal, secret: bytes, token: str) -> Grant:
    """What the token opens. Denied (401) if it is not ours, was edited, has expired or was revoked."""
    try:
        id_, panel, expires = serializer(secret).loads(token)
        grant = Grant(str(id_), str(panel), datetime.fromtimestamp(int(expires), UTC))
    except (BadData, ValueError, TypeError, OverflowError):
        raise Denied(401, "this link is not valid", "open the whole link as it was given to you") from None
    check_grant(journal, grant)
    return grant


def check_grant(journal: Journal, grant: Grant) -> None:
    """Denied (401) once it has expired or was revoked; the journal is asked each time, since others revoke too."""
    check_running(journal, grant.id, grant.expires, "link", NEW_LINK)


def check_running(journal: Journal, id: str, expires: datetime, what: str, hint: str) -> None:  # noqa: A002 - as it is called
    """Denied (401) for a link or token past its time, or revoked."""
    if journal.clock.now() >= expires:
        raise Denied(401, f"this {what} expired at {utc_text(expires)}", hint)
    if journal.entries("token_revoked", token=id, limit=1):
        raise Denied(401, f"this {what} was revoked", hint)


def serializer(secret: bytes, salt: str = "scorecard.wall") -> URLSafeSerializer:
    """Signs and reads tokens; those of one salt are worthless under another."""
    if len(secret) < 16:
        raise ValueError("the secret that signs links must have at least 16 bytes")
    signing = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(secret, salt=salt, signer_kwargs=signing)


def _revoked(journal: Journal) -> dict[str, str | None]:
    return {str(entry.body.get("token")): utc_text(entry.at) for entry in journal.entries("token_revoked", limit=None)}


def _listed(entry: Entry, revoked: dict[str, str | None]) -> dict[str, object]:
    return {
        "id": entry.id,
        "panel": entry.body.get("panel"),
        "source": entry.body.get("source"),
        "created": utc_text(entry.at),
        "expires": entry.body["expires"],
        "revoked": revoked.get(entry.id),
        "by": entry.by,
    }
