"""What of a file is still to come for a client that has its beginning (HTTP `Range`, while `If-Range` still holds)."""

from __future__ import annotations

import msgspec

from warehouse.venues.base import Reply


def remaining(reply: Reply, wanted: str, still: str) -> Reply:
    """`reply` from byte n on where `wanted` is `bytes=n-` and the reply's tag is `still`; whole otherwise."""
    begin = wanted.removeprefix("bytes=").removesuffix("-")
    if reply.status != 200 or not begin.isdecimal() or reply.headers.get("ETag", "") != still:
        return reply
    first, size = int(begin), len(reply.body)
    if first >= size:
        return msgspec.structs.replace(reply, status=416, body=b"")
    headers = {**reply.headers, "Content-Range": f"bytes {first}-{size - 1}/{size}"}
    return msgspec.structs.replace(reply, status=206, body=reply.body[first:], headers=headers)
