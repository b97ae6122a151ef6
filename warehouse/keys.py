"""Names of the bus keys by which our own processes talk. Channels of consumers: `realtime/channels.py` alone."""

from __future__ import annotations

REALM = "p9:realm"
"""`live` or `emulated`: set once by whoever starts the bus; a process of the other realm refuses to start."""

CONTEXT_NEWS = "p9:context"
"""PUBLISH of `{venue}:{instrument}:{digest}` when a context document was set."""


def context(venue: str, instrument: str) -> str:
    """The newest context document (MessagePack)."""
    return f"p9:context:{venue}:{instrument}"


def seam(venue: str, instrument: str) -> str:
    """The newest seam certificate (MessagePack)."""
    return f"p9:seam:{venue}:{instrument}"


def rules(venue: str) -> str:
    """The venue's instrument rules (MessagePack list)."""
    return f"p9:rules:{venue}"


def epoch(venue: str) -> str:
    """The greatest epoch in which the venue's worker has published; a cold start takes the next."""
    return f"p9:epoch:{venue}"


def health(process: str) -> str:
    """What a process last reported of itself (JSON), with a short expiry."""
    return f"p9:health:{process}"


def bucket(venue: str, limit: str) -> str:
    """A request budget that all processes of one address share. The braces keep a venue's in one place of a cluster."""
    return f"p9:budget:{{{venue}}}:{limit}"


def asked(venue: str, limit: str) -> str:
    """The requests of one limit that are under way or were lately answered."""
    return f"p9:asked:{{{venue}}}:{limit}"


def gate(venue: str, name: str) -> str:
    """Until when the venue wants nobody of this address to ask (Redis's own clock, microseconds)."""
    return f"p9:gate:{{{venue}}}:{name}"
