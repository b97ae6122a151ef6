"""Closing holes: each source in its order, each attempt a row of the gap ledger, and a reason for what stays open.

Candles: the venue, then the lake's own trades. Trades: rows that stand by to prove the seam, then the venue. Funding,
price candles and open interest: the venue. Wherever the venue's REST leaves something open, its bulk files and its
second host are asked (`backups`). Past books: nobody. Rows land before the ledger says so; whoever is killed
in between finds no hole the next time, or the same one again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from pipelines import judging, past
from pipelines.backups import Backup, in_turn, joined
from pipelines.holes import Hole
from pipelines.load import Fetched, Lander
from pipelines.plan import Span, missing
from pipelines.rebuilding import candle_of
from pipelines.sources.base import Blocked, Source, Unreachable, follow
from pipelines.walks import walk
from warehouse.clock import Clock, Micros
from warehouse.errors import ConfigError, RateLimited, VenueError
from warehouse.instruments import Rules, timeframe_us
from warehouse.records import Candle, GapState, SequenceGap, Trade

if TYPE_CHECKING:
    from warehouse.store import Lake

AT_ONCE = 8
"""Holes of one venue that are asked about at the same time."""

BATCH = 64
"""Holes whose answers are landed together."""

PAST_BOOK = "venues show the order book of now only; no source has the past one"


class Mended(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one hole: the rows of the ledger that say so, and how many rows landed."""

    hole: Hole
    gaps: list[SequenceGap]
    rows: int = 0

    @property
    def state(self) -> GapState:
        """The worst of its rows."""
        worst: tuple[GapState, ...] = ("open", "unrecoverable", "legitimate", "repaired")
        return min((gap.state for gap in self.gaps), key=worst.index)


class Mender:
    """One venue's repair in one run. Not for two tasks at once."""

    def __init__(
        self,
        lake: Lake,
        lander: Lander,
        source: Source,
        rules: dict[str, Rules],
        clock: Clock,
        others: Sequence[Backup] = (),
    ) -> None:
        """`others` are asked in turn for what the venue's answer leaves open."""
        self._lake, self._lander, self._source, self._others = lake, lander, source, others
        self._rules, self._clock = rules, clock
        self._stamp: Micros = 0
        self._stretches: dict[str, list[Span]] | None = None
        self.stopped: str | None = None
        """Why nothing more is asked of the venue; None while it answers."""

    async def mend(self, holes: Sequence[Hole]) -> list[Mended]:
        """Look into every hole, unless the venue is out of reach: what was not asked is left for the next run."""
        done: list[Mended] = []
        gone = [hole for hole in holes if hole.stream in ("books", "depth", "bbo")]
        done += await self._write([self._given_up(hole) for hole in gone])
        rest = [hole for hole in holes if hole not in gone]
        for at in range(0, len(rest), BATCH):
            if self.stopped is not None and not self._others:
                break
            done += await self._batch(rest[at : at + BATCH])
        return done

    async def close(self, gaps: Sequence[SequenceGap]) -> None:
        """Say of holes that are no more that they are repaired."""
        now = self._clock.now()
        rows = [
            msgspec.structs.replace(gap, state="repaired", reason="the rows are there now", ts_event=now, ts_recv=now)
            for gap in gaps
        ]
        if rows:
            await asyncio.to_thread(self._lake.append, "gaps", rows)

    async def _batch(self, holes: Sequence[Hole]) -> list[Mended]:
        limit = asyncio.Semaphore(AT_ONCE)

        async def ask(hole: Hole) -> Fetched | None:
            async with limit:
                return None if self.stopped is not None else await self._ask(hole)

        near = {id(hole): await asyncio.to_thread(self._standing_by, hole) for hole in holes if hole.stream == "trades"}
        far = [hole for hole in holes if not (id(hole) in near and judging.whole(hole, near[id(hole)]))]
        answers = dict(zip(map(id, far), await asyncio.gather(*[ask(hole) for hole in far]), strict=True))
        for hole in sorted(far, key=in_turn):
            answers[id(hole)] = await self._beside(hole, near.get(id(hole), ()), answers[id(hole)])
        done = []
        for stream in dict.fromkeys(hole.stream for hole in holes):
            asked = [
                hole for hole in holes
                if hole.stream == stream and (id(hole) not in answers or answers[id(hole)] is not None)
            ]  # fmt: skip
            fetched = [answers.get(id(hole)) for hole in asked]
            if stream == "trades":
                done += [self._trades(hole, near[id(hole)], one) for hole, one in zip(asked, fetched, strict=True)]
            else:
                done += await asyncio.to_thread(self._series, asked, [one for one in fetched if one is not None])
        return await self._write(done)

    async def _write(self, done: list[Mended]) -> list[Mended]:
        rows = [gap for one in done for gap in one.gaps]
        if rows:
            await asyncio.to_thread(self._lake.append, "gaps", rows)
        return done

    async def _beside(self, hole: Hole, near: Sequence[Trade], fetched: Fetched | None) -> Fetched | None:
        """An answer with what other sources add to it, until nothing of the hole is open; each attempt is told."""
        if not self._others:
            return fetched
        first = fetched or Fetched(part=judging.part(hole), started_at=self._clock.now(), error=self.stopped)
        so_far, tried = first, list[Fetched]()
        for other in self._others:
            if judging.closes(hole, near, so_far):
                break
            more = await other.ask(hole, first)
            if more is not None:
                tried.append(more)
                so_far = joined(so_far, more)
        final = first if first.answer is None and not judging.closes(hole, near, so_far) else so_far
        for attempt in tried if final is first else [first, *tried[:-1]]:  # whoever lands the answer tells of the last
            await asyncio.to_thread(self._lander.tell, attempt, 0, self._clock.now())
        return final

    async def _ask(self, hole: Hole) -> Fetched:
        """The venue's answer about a hole, or why there is none."""
        began, answer, error = self._clock.now(), None, None
        part = judging.part(hole)
        try:
            answer = await follow(walk(part, self._rules, began), self._source)
        except (VenueError, ConfigError) as failure:
            error = str(failure)
            if isinstance(failure, Unreachable | Blocked | RateLimited | ConfigError):
                self.stopped = error
        return Fetched(part=part, started_at=began, answer=answer, error=error)

    # Series on a grid of time, and funding

    def _series(self, holes: Sequence[Hole], fetched: Sequence[Fetched]) -> list[Mended]:
        if not holes:
            return []
        now = self._clock.now()
        outcomes = self._lander.land(fetched, now, self._lander.covered(holes[0].stream, holes[0].venue))
        return [
            self._judged(hole, one, outcome.landed) for hole, one, outcome in zip(holes, fetched, outcomes, strict=True)
        ]

    def _judged(self, hole: Hole, fetched: Fetched, landed: int) -> Mended:
        """What one answer left open of its hole, and whether trades can fill it."""
        left = judging.left(hole, fetched)
        found = [f"{landed} rows from {hole.venue}"] if landed else []
        if left and hole.stream == "candles" and self.stopped is None:
            built = self._rebuilt(hole, left)
            if built:
                self._lake.upsert("candles", built, now=self._clock.now())
                have = [(bar.open_time, bar.open_time + timeframe_us(bar.timeframe)) for bar in built]
                left = [part for span in left for part in missing(span, have)]
                landed += len(built)
                found.append(f"{len(built)} bars from the lake's trades")
        rows = []
        if not left:
            rows.append(self._row(hole, "repaired", " and ".join(found)))
        elif fetched.answer is None and self.stopped is not None:
            rows.append(self._row(hole, "open", str(fetched.error)))
        else:
            if landed:
                rows.append(self._row(hole, "repaired", " and ".join(found)))
            for start, end in left:
                state, reason = self._verdict(hole, fetched, (start, end))
                whole = not landed and len(left) == 1
                rows.append(self._row(hole if whole else _part_of(hole, start, end), state, reason))
        return Mended(hole=hole, gaps=rows, rows=landed)

    def _rebuilt(self, hole: Hole, left: Sequence[Span]) -> list[Candle]:
        """The bars of `left` that the lake's trades give: where all of them are there, and some."""
        if self._stretches is None:
            self._stretches = past.stretches(self._lake, hole.venue)
        step = timeframe_us(hole.timeframe)
        bars: list[Candle] = []
        for start, end in left:
            for at in range(start, end, step):
                if any(low <= at and at + step <= high for low, high in self._stretches.get(hole.instrument, ())):
                    trades = past.prints(self._lake, hole.venue, hole.instrument, (at, at + step))
                    bar = candle_of(trades, hole.timeframe, at, self._clock.now())
                    bars += [bar] if bar is not None else []
        return bars

    # Trades

    def _standing_by(self, hole: Hole) -> list[Trade]:
        """The hole's trades among those that were fetched to prove the seam."""
        rows = self._lake.rows(
            "overlaps", venue=hole.venue, instrument=hole.instrument, start=hole.start, end=hole.end + judging.GRANULE
        )
        return [row for row in rows if isinstance(row, Trade) and judging.inside(hole, row)]

    def _trades(self, hole: Hole, near: Sequence[Trade], fetched: Fetched | None) -> Mended:
        """Land what the sources have of a hole's trades; the recorder, which gave it up, writes none of them."""
        now = self._clock.now()
        answer = fetched.answer if fetched is not None else None
        told = [row for row in answer.records if isinstance(row, Trade)] if answer else []
        rows = list(
            {row.trade_id: row for row in [*near, *[row for row in told if judging.inside(hole, row)]]}.values()
        )
        landed = self._lake.upsert("trades", rows, now=now).added if rows else 0
        if fetched is not None:
            self._lander.tell(fetched, landed, now)
        if hole.first_id is None or hole.last_id is None:
            return Mended(hole=hole, gaps=self._by_time(hole, fetched, landed), rows=landed)
        have = [(row.trade_seq, row.trade_seq + 1) for row in rows if row.trade_seq is not None]
        left = missing((hole.first_id, hole.last_id + 1), have)
        if not left:
            words = f"{len(rows)} trades from {'the overlap' if fetched is None else hole.venue}"
            return Mended(hole=hole, gaps=[self._row(hole, "repaired", words)], rows=landed)
        if answer is None and self.stopped is not None:
            return Mended(hole=hole, gaps=[self._row(hole, "open", self.stopped)], rows=landed)
        gaps = [self._row(hole, "repaired", f"{len(rows)} trades from {hole.venue}")] if rows else []
        state, reason = self._verdict(hole, fetched, (hole.start, hole.end))
        for first, end in left:
            part = msgspec.structs.replace(hole, first_id=first, last_id=end - 1, gap=None if rows else hole.gap)
            gaps.append(self._row(part, state, reason))
        return Mended(hole=hole, gaps=gaps, rows=landed)

    def _by_time(self, hole: Hole, fetched: Fetched | None, landed: int) -> list[SequenceGap]:
        """A hole without ids is closed by an answer that holds all of its time; by the minute where it holds a part.

        Minutes are what such a hole is found by.
        """
        if fetched is not None and fetched.answer is None and self.stopped is not None:
            return [self._row(hole, "open", self.stopped)]
        span = judging.held(hole, fetched)
        if span is None:
            return [self._row(hole, *self._verdict(hole, fetched, (hole.start, hole.end)))]
        closed = msgspec.structs.replace(hole, start=span[0], end=span[1])
        if landed:
            rows = [self._row(closed, "repaired", f"{landed} trades from {hole.venue}")]
        else:
            rows = [self._row(closed, "legitimate", f"{hole.venue} answered for all of this time and has no more")]
        left = missing((hole.start, hole.end), [span])
        return rows + [self._row(_part_of(hole, *part), *self._verdict(hole, fetched, part)) for part in left]

    # The ledger

    def _verdict(self, hole: Hole, fetched: Fetched | None, span: Span) -> tuple[GapState, str]:
        """Why something is still missing; open, while a source is still to come."""
        state, reason = judging.explained(hole, fetched, span)
        later = next(filter(None, (other.expects(hole) for other in self._others)), None)
        return ("open", f"{reason}; {later}") if state == "unrecoverable" and later else (state, reason)

    def _given_up(self, hole: Hole) -> Mended:
        return Mended(hole=hole, gaps=[self._row(hole, "unrecoverable", PAST_BOOK)])

    def _row(self, hole: Hole, state: GapState, reason: str) -> SequenceGap:
        """The attempt as a row: a new state of the hole's own, or the first of a hole that nobody has seen before."""
        now = self._clock.now()
        if hole.gap is not None:
            return msgspec.structs.replace(
                hole.gap, from_ts=hole.start, to_ts=hole.end - 1, state=state, reason=reason,
                attempts=hole.gap.attempts + 1, ts_event=now, ts_recv=now,
            )  # fmt: skip
        self._stamp = max(self._stamp + 1, now)  # holes of one stream without ids are told apart by when they opened
        return SequenceGap(
            venue=hole.venue,
            instrument=hole.instrument,
            ts_event=now,
            ts_recv=now,
            stream=hole.stream,
            from_id=hole.first_id,
            to_id=hole.last_id,
            from_ts=hole.start,
            to_ts=hole.end - 1,
            cause=hole.cause,
            state=state,
            opened_at=self._stamp,
            attempts=1,
            reason=reason,
        )


def _part_of(hole: Hole, start: Micros, end: Micros) -> Hole:
    """A piece of a hole that nobody has a row for yet."""
    return msgspec.structs.replace(hole, start=start, end=end, gap=None)
