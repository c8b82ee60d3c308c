"""The bytes of an answer as they come: unpacked piece by piece, and fewer than announced are a broken answer."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import requests
import urllib3

CHUNK = 64 * 1024
PIECE = 1024**2


def pieces(response: requests.Response) -> Iterator[bytes]:
    """Unpacked pieces as they arrive, without waiting for a full one. Raises zlib.error where the packing is damaged."""
    raw: urllib3.HTTPResponse = response.raw
    packing = response.headers.get("Content-Encoding", "identity").strip().lower() or "identity"
    if packing not in {"identity", "gzip", "x-gzip", "deflate"}:
        raise zlib.error(f"packed as {packing}, which nobody asked for")
    unpacking = None if packing == "identity" else zlib.decompressobj(47)  # 47: gzip or zlib, as its first bytes say
    started = False
    while piece := raw.read1(CHUNK, decode_content=False):
        if unpacking is None:
            yield piece
            continue
        started = True
        while piece:
            yield unpacking.decompress(piece, PIECE)
            piece = unpacking.unconsumed_tail
            if unpacking.eof and unpacking.unused_data.strip(b"\0"):
                piece, unpacking = unpacking.unused_data, zlib.decompressobj(47)
    if unpacking is not None and started and not unpacking.eof:
        raise zlib.error("cut off")


def check_length(response: requests.Response) -> None:
    """Fewer bytes than announced are a broken answer."""
    announced = response.headers.get("Content-Length", "")
    if announced.isdigit() and response.status_code not in {204, 304}:
        came = response.raw.tell()
        if came < int(announced):
            raise urllib3.exceptions.IncompleteRead(came, int(announced) - came)
