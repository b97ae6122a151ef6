"""A REST answer as a walk is sent it: the venue's JSON as text or bytes, or parsed already.

ccxt may have turned every number of a parsed one into text; both are read by the same rules.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from warehouse.errors import HEAD

T = TypeVar("T")


def read(answer: object, kind: type[T]) -> T:
    """`answer` as `kind`. Raises ValueError or RecursionError for one that is none."""
    if isinstance(answer, str | bytes):
        found: T = _decoder(cast("Hashable", kind)).decode(answer)
        return found
    return msgspec.convert(answer, kind, strict=False)


def beginning(answer: object) -> bytes:
    """How it begins, for an error."""
    if isinstance(answer, bytes):
        return answer[:HEAD]
    return (answer if isinstance(answer, str) else repr(answer))[:HEAD].encode()


@cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=False)
