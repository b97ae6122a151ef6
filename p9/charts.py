"""Charts as inline SVG: a heat map and horizontal bars, with a title on every mark for who points at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

LEFT, CELL, ROW = 190, 14, 18


def heat(rows: Sequence[str], columns: Sequence[str], cells: Mapping[tuple[str, str], tuple[float, str]]) -> str:
    """A grid: `cells` gives for (row, column) a share of 0 to 1 and the words that tell it; absent cells are empty."""
    width, height = LEFT + CELL * len(columns) + 10, ROW * len(rows) + 40
    marks = [_text(LEFT - 6, ROW * number + 13, row, "end") for number, row in enumerate(rows)]
    step = max(1, len(columns) // 8)
    for number, column in enumerate(columns):
        if number % step == 0:
            marks.append(_text(LEFT + CELL * number, ROW * len(rows) + 16, column, "start"))
    for line, row in enumerate(rows):
        for number, column in enumerate(columns):
            found = cells.get((row, column))
            if found is not None:
                share, words = found
                marks.append(
                    f'<rect x="{LEFT + CELL * number}" y="{ROW * line + 1}" width="{CELL - 2}" height="{ROW - 3}" '
                    f'fill="{colour(share)}"><title>{escape(f"{row}, {column}: {words}")}</title></rect>'
                )
    return _svg(width, height, marks)


def bars(values: Sequence[tuple[str, float, str]], width: int = 420) -> str:
    """One bar per (label, value, words), as long as its share of the greatest value."""
    most = max((value for _, value, _ in values), default=0.0) or 1.0
    marks = []
    for line, (label, value, words) in enumerate(values):
        marks.append(_text(LEFT - 6, ROW * line + 13, label, "end"))
        long = max(1.0, width * value / most)
        marks.append(
            f'<rect class="bar" x="{LEFT}" y="{ROW * line + 2}" width="{long:.1f}" height="{ROW - 5}">'
            f"<title>{escape(f'{label}: {words}')}</title></rect>"
        )
        marks.append(_text(LEFT + long + 6, ROW * line + 13, words, "start"))
    return _svg(LEFT + width + 130, ROW * len(values) + 4, marks)


def colour(share: float) -> str:
    """From red (nothing) over yellow to green (all)."""
    clipped = min(1.0, max(0.0, share))
    return f"hsl({120 * clipped:.0f},55%,{45 + 10 * (1 - clipped):.0f}%)"


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(width: float, height: float, marks: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" role="img">'
    return "\n".join([head, *marks, "</svg>"])
