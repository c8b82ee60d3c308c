"""The security headers of every answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from flask import Flask, Response, request

from scorecard.ground.errors import Problem, Refused

_ORIGIN = re.compile(r"\*|file:|https?:|https?://(\*\.)?[\w.-]+(:(\d+|\*))?")
# dcc and the renderer write style elements; scripts need no exception, only Dash's own inline ones by their hashes.
_PAGE = (
    "default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors {frames}"
)
_DATA = "default-src 'none'; frame-ancestors 'none'"
# A worker lives under the policy of its own script, and asks for the version.
_SCRIPT = "default-src 'none'; connect-src 'self'"


def add_headers(server: Flask, inline_hashes: Callable[[], Sequence[str]], embed_from: Iterable[str] = ()) -> None:
    """``inline_hashes``: of a page's inline scripts, asked for once one was made.

    ``embed_from``: origins that may frame ``/embed/…`` (``*`` for all); Refused for what is no origin.
    """
    framing = _framing(embed_from)

    def add(answer: Response) -> Response:
        if answer.mimetype == "text/html":
            frames = framing if request.path.startswith("/embed/") else "'self'"
            scripts = " ".join(("'self'", *inline_hashes()))
            policy = _PAGE.format(scripts=scripts, frames=frames)
            if frames == "'self'":
                answer.headers["X-Frame-Options"] = "SAMEORIGIN"
            answer.headers.setdefault("Cache-Control", "no-store")
        else:
            policy = _SCRIPT if "javascript" in (answer.mimetype or "") else _DATA
            answer.headers["X-Frame-Options"] = "DENY"
        answer.headers["Content-Security-Policy"] = policy
        answer.headers["X-Content-Type-Options"] = "nosniff"
        # Within this server the whole address, for the gate; to others nothing, for it may hold a token.
        answer.headers["Referrer-Policy"] = "same-origin"
        answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        answer.headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
        return answer

    server.after_request(add)


def _framing(origins: Iterable[str]) -> str:
    listed = [origin.rstrip("/") for origin in origins]
    wrong = [o for o in listed if not _ORIGIN.fullmatch(o)]
    if wrong:
        raise Refused(
            *(Problem(f"embed_from: '{o}' is no origin", hint="such as https://wiki.example.org") for o in wrong)
        )
    return " ".join(("'self'", *listed))
