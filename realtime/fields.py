"""Collects the fields of a derived payload: values, and for every null its reason under the same path."""

from __future__ import annotations

from warehouse.metrics.base import HARMLESS, Reason, Value

Json = float | int | str | bool | None | list["Json"] | dict[str, "Json"]


class Fields:
    """A payload being filled. Sections share one `reasons` and one `quality`, by dotted path.

    >>> fields = Fields()
    >>> fields.section("trends").put("1d", Value.missing(Reason.NO_TRADES))
    >>> fields.values, fields.reasons
    ({'trends': {'1d': None}}, {'trends.1d': <Reason.NO_TRADES: 'NO_TRADES'>})
    """

    __slots__ = ("_prefix", "quality", "reasons", "values")

    def __init__(self, parent: Fields | None = None, prefix: str = "") -> None:
        self.values: dict[str, object] = {}
        self.reasons: dict[str, Reason] = {} if parent is None else parent.reasons
        self.quality: dict[str, dict[str, object]] = {} if parent is None else parent.quality
        self._prefix = prefix

    def section(self, name: str) -> Fields:
        """A nested object under `name`."""
        inner = Fields(self, f"{self._prefix}{name}.")
        self.values[name] = inner.values
        return inner

    def put(self, name: str, value: Value) -> None:
        """A metric's value; a partly observed one also says how much of it was."""
        self.values[name] = value.value
        if value.reason is not None:
            path = self._prefix + name
            self.reasons[path] = value.reason
            if value.coverage:
                self.quality[path] = {"coverage": value.coverage, "n": value.n}

    def set(self, name: str, value: object, reason: Reason | None = None) -> None:
        """A plain value, or None with its reason. Raises ValueError for a null without one."""
        self.values[name] = value
        if value is None:
            if reason is None:
                raise ValueError(f"{self._prefix}{name} is null without a reason")
            self.reasons[self._prefix + name] = reason

    @property
    def harmless(self) -> bool:
        """No null is due to a broken, silent or unreadable input."""
        return HARMLESS.issuperset(self.reasons.values())
