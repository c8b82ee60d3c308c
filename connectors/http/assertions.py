"""Signed statements of who asks (JSON Web Tokens), for token endpoints that know a key instead of a password."""

from __future__ import annotations

import importlib.util
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.contract import SourceFailed

NEEDED = "auth: signing with a private key needs pyjwt and cryptography"
INSTALL = "install the extra 'jwt': pip install 'pyjwt[crypto]'"
LIFETIME = timedelta(minutes=5)
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def can_sign() -> bool:
    """Whether what signing needs is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("jwt", "cryptography"))


@dataclass(frozen=True, slots=True)
class Assertion:
    """``key`` in PEM; ``claims`` besides the times; ``usual`` is the algorithm of RSA keys where none is asked for."""

    key: str
    claims: Mapping[str, Any]
    key_id: str | None
    algorithm: str | None
    usual: str

    def text(self, now: datetime) -> str:
        """The signed statement, good for five minutes from ``now``. Raises SourceFailed."""
        try:
            import jwt
            from cryptography.hazmat.primitives.asymmetric import ec, rsa
            from cryptography.hazmat.primitives.serialization import load_pem_private_key
        except ImportError:
            raise SourceFailed(NEEDED, hint=INSTALL) from None
        try:
            key = load_pem_private_key(self.key.encode(), None)
        except (ValueError, TypeError):
            hint = "a PEM file without a password, from -----BEGIN PRIVATE KEY----- on"
            raise SourceFailed("auth: the private key cannot be read", hint=hint) from None
        if isinstance(key, ec.EllipticCurvePrivateKey):
            fitting: tuple[str, ...] = (CURVES.get(key.curve.name, "an unknown curve"),)
        elif isinstance(key, rsa.RSAPrivateKey):
            fitting = (self.usual, "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
        else:
            raise SourceFailed("auth: the private key is neither RSA nor on an elliptic curve", hint="make one of them")
        algorithm = self.algorithm or fitting[0]
        if algorithm not in fitting:
            raise SourceFailed(f"auth: {algorithm} does not fit the private key", hint=f"its own: {', '.join(fitting)}")
        times = {"iat": int(now.timestamp()), "exp": int((now + LIFETIME).timestamp()), "jti": uuid.uuid4().hex}
        headers = {"typ": "JWT"} | ({} if self.key_id is None else {"kid": self.key_id})
        return jwt.encode({**self.claims, **times}, key, algorithm=algorithm, headers=headers)
