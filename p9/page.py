"""The quality report as one HTML page that needs nothing else: styles and charts are inside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from html import escape

from p9.charts import bars, heat
from warehouse.quality import Fact, Quality, Sheet, days

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --line: #d5dae2; --good: #2b7a3d; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #dde3ec; --paper: #14181f; --line: #39424f; --good: #6fce84;
  --bad: #ff8a80; } }
body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2em auto;
  max-width: 1150px; padding: 0 1em; }
h2 { margin: 2em 0 .2em; } p { margin: .2em 0 .8em; max-width: 75ch; }
nav a { margin-right: 1em; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 2px 9px; text-align: left; } td.n, th.n { text-align: right; }
.wide { overflow-x: auto; margin: .6em 0; } .good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
svg text { font: 11px system-ui, sans-serif; fill: var(--ink); } svg .bar { fill: #4a78c2; }
"""


SHOWN = 300
"""A table on the page has so many rows; its chart has all."""


def page(found: Quality, taken: str) -> str:
    """The whole page; `taken` is when the lake was asked, in words."""
    links = "".join(f'<a href="#{name}">{name}</a>' for name in found.sheets)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f"<title>Quality of {escape(found.root)}</title>",
        f"<style>{STYLE}</style></head><body>",
        "<h1>Quality of the lake</h1>",
        f"<p><code>{escape(found.root)}</code>, asked {escape(taken)}. Times are UTC.</p>",
        _facts(found.facts),
        f"<nav>{links}</nav>",
        *[_section(sheet) for sheet in found.sheets.values()],
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def verdict(fact: Fact) -> str:
    """In a word: good, look, or nothing where a number is neither."""
    return "" if fact.good is None else "good" if fact.good else "look"


def _facts(facts: Sequence[Fact]) -> str:
    rows = [
        f'<tr><td>{escape(fact.name)}</td><td class="n">{fact.value:,}</td>'
        f'<td class="{"good" if fact.good else "bad"}">{verdict(fact)}</td></tr>'
        for fact in facts
    ]
    return f"<table>{''.join(rows)}</table>"


def _section(sheet: Sheet) -> str:
    head = f'<h2 id="{sheet.name}">{sheet.name}</h2><p>{escape(sheet.words)}</p>'
    if not sheet.rows:
        return f"{head}<p>No rows.</p>"
    chart = _chart(sheet)
    hidden = sheet.left_out + max(0, len(sheet.rows) - SHOWN)
    more = f"<p>{hidden:,} more rows are not shown.</p>" if hidden and sheet.name != "coverage" else ""
    table = "" if sheet.name == "coverage" else f'<div class="wide">{_table(sheet)}</div>'
    return f'{head}<div class="wide">{chart}</div>{table}{more}' if chart else f"{head}{table}{more}"


def _chart(sheet: Sheet) -> str:
    rows = [dict(zip(sheet.columns, row, strict=True)) for row in sheet.rows]
    if sheet.name == "coverage":
        cells = {
            (str(row["series"]), str(row["day"])): (_number(row["share"]), f"{_number(row['share']):.2%}")
            for row in rows
        }
        return heat(list(dict.fromkeys(str(row["series"]) for row in rows)), [str(day) for day in days(sheet)], cells)
    if sheet.name == "freshness":
        ages = [(f"{row['dataset']} {row['venue']}", _number(row["age_s"])) for row in rows]
        return bars([(label, age, f"{age:,.1f} s") for label, age in ages])
    if sheet.name == "disagreement":
        far = [(f"{row['instrument']} {row['venue']}", _number(row["p99_bps"])) for row in rows]
        return bars([(label, bps, f"{bps:.2f} bps") for label, bps in far])
    if sheet.name == "files":
        most = max(_number(row["files"]) for row in rows)
        cells = {
            (str(row["table"]), str(row["day"])): (1 - _number(row["files"]) / (most + 1), f"{row['files']} files")
            for row in rows
            if row["day"] is not None
        }
        named = list(dict.fromkeys(name for name, _ in cells))
        return heat(named, [str(day) for day in days(sheet)[-60:]], cells)
    return ""


def _table(sheet: Sheet) -> str:
    numeric = [
        any(isinstance(row[at], int | float) and not isinstance(row[at], bool) for row in sheet.rows)
        for at in range(len(sheet.columns))
    ]
    marks = ['class="n"' if one else "" for one in numeric]
    head = "".join(f"<th {mark}>{escape(name)}</th>" for mark, name in zip(marks, sheet.columns, strict=True))
    body = [
        "<tr>" + "".join(f"<td {mark}>{escape(cell(one))}</td>" for mark, one in zip(marks, row, strict=True)) + "</tr>"
        for row in sheet.rows[:SHOWN]
    ]
    return f"<table><tr>{head}</tr>{''.join(body)}</table>"


def cell(value: object) -> str:
    """A value for people; what is not known is a dash."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return value.isoformat() if isinstance(value, date) else str(value)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
