"""Whom a connection really reached: looked at on the open socket, so that no name can hide it."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass, field
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter

NUMBERS = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*\.?", re.ASCII | re.IGNORECASE)
"""What systems read as an address; written otherwise than as four numbers it only hides where it leads."""


class ForbiddenAddressError(OSError):
    """An address that may not be asked: it serves the machine itself, or a name turned out to lead inwards."""


@dataclass(slots=True)
class Peers:
    """The hosts of one pull. ``home`` is the source's own host, which may be private; hosts it leads on to only with it."""

    home: str | None = None
    sockets: set[socket.socket] = field(default_factory=set)
    _private: dict[str, bool] = field(default_factory=dict)

    def admit(self, connected: Any, host: str | None = None) -> None:
        """Takes the connection, or closes it and raises ForbiddenAddressError.

        Refused are link-local addresses, where clouds keep their machines' credentials, whatever name led there; a name
        that led to a public address before and now to a private one; and a private address behind another public host.
        """
        peer = ipaddress.ip_address(connected.getpeername()[0].split("%")[0])
        real = getattr(peer, "ipv4_mapped", None) or peer
        reason = None
        if real.is_link_local or real.is_multicast or str(peer) == "fd00:ec2::254":
            reason = "link-local addresses serve the machine itself, not its users"
        elif host is not None and NUMBERS.fullmatch(host) and not _usual(host):
            reason = f"it is a way of writing {peer}: write that"
        elif host is not None:
            inwards = bool(real.is_private or real.is_loopback)
            if inwards and self._private.get(host) is False:
                reason = "its name led to a public address a moment ago, and now to a private one"
            elif inwards and self.home is not None and host != self.home and self._private.get(self.home) is False:
                reason = "a public server may not lead on to a private address"
            else:
                self._private[host] = inwards
        if reason is not None:
            connected.close()
            raise ForbiddenAddressError(reason)
        self.sockets.add(connected)


def _usual(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def forbidden_by(problem: BaseException | None) -> str | None:
    """The reason, if an error, or what it came from, is ours."""
    seen: set[int] = set()
    while problem is not None and id(problem) not in seen:
        if isinstance(problem, ForbiddenAddressError):
            return str(problem)
        seen.add(id(problem))
        problem = problem.__context__
    return None


class Adapter(HTTPAdapter):
    """Shows every new connection to the peers, who also keep hold of it for the deadline."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        super().__init__(max_retries=0)

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        peers = self._peers

        class Plain(urllib3.connection.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                peers.admit(self.sock, self.host)

        class Secure(urllib3.connection.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                peers.admit(self.sock, self.host)

        class PlainPool(urllib3.HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(urllib3.HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
