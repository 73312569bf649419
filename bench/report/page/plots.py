"""Draws plots as SVG text that is legible at the width of a phone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH = 480  # user units; the page scales them
COLOURS = (
    "#4477aa",
    "#66ccee",
    "#228833",
    "#ccbb44",
    "#ee6677",
    "#aa3377",
    "#bbbbbb",
    "#999933",
    "#882255",
    "#666666",
)  # (Paul Tol's bright scheme: told apart by people with colour blindness)
ROW = 26
THIN = 8  # height of one of several bars
MARKED = 24  # points of a curve that still have marks
LABEL = 14


def stacked_bars(rows: Mapping[str, Mapping[str, float]], unit: str) -> str:
    """Draw a stacked bar per row, with a legend below.

    Args:
        rows: parts by name, of each row.
        unit: of the numbers.
    """
    parts = list(dict.fromkeys(name for row in rows.values() for name in row))
    longest = max((sum(row.values()) for row in rows.values()), default=0) or 1.0
    scale = (WIDTH - 70) / longest
    out = []
    y = 0.0
    for name, row in rows.items():
        out.append(_text(0, y + 11, name))
        x = 0.0
        for part, value in row.items():
            title = f"<title>{escape(part)}: {value:.2f} {unit}</title>"
            colour = COLOURS[parts.index(part) % len(COLOURS)]
            out.append(
                f'<rect x="{x:.1f}" y="{y + LABEL + 2:.1f}" width="{value * scale:.1f}"'
                f' height="{ROW - 8}" fill="{colour}">{title}</rect>'
            )
            x += value * scale
        out.append(_text(x + 5, y + LABEL + ROW - 11, f"{sum(row.values()):.1f} {unit}"))
        y += ROW + LABEL + 4
    legend, height = _legend(parts, y + 14)
    return _svg(height, [*out, *legend])


def grouped_bars(rows: Mapping[str, Mapping[str, float]], top: float) -> str:
    """Draw thin bars for each row, one a part, with a legend below.

    Args:
        rows: values by part, of each row.
        top: the value of a bar over the whole width.
    """
    parts = list(dict.fromkeys(name for row in rows.values() for name in row))
    left = 100
    scale = (WIDTH - left - 30) / top
    marks = []
    y = 16.0
    for name, row in rows.items():
        height = max(THIN, THIN * len(row))
        marks.append(_text(left - 6, y + height / 2 + 4, name, "end"))
        for number, (part, value) in enumerate(row.items()):
            colour = COLOURS[parts.index(part) % len(COLOURS)]
            title = f"<title>{escape(name)}, {escape(part)}: {value:.1f}</title>"
            marks.append(
                f'<rect x="{left}" y="{y + number * THIN:.1f}" width="{value * scale:.1f}"'
                f' height="{THIN - 1}" fill="{colour}">{title}</rect>'
            )
        y += height + 6
    grid = []
    for value in _ticks(top):
        x = left + value * scale
        grid.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="14" y2="{y:.1f}" class="grid"/>')
        grid.append(_text(x, 10, f"{value:g}", "middle"))
    legend, bottom = _legend(parts, y + 16)
    return _svg(bottom, [*grid, *marks, *legend])


def curves(
    series: Mapping[str, Sequence[tuple[float, float]]],
    across: str,
    up: str,
    fits: Mapping[str, str] | None = None,
) -> str:
    """Draw measured points joined by lines, as SVG.

    The vertical axis starts at zero. The horizontal axis is logarithmic if there are few points
    that span a factor above 20. Many points have no marks.

    Args:
        series: points by name.
        across: what the horizontal axis is.
        up: what the vertical axis is.
        fits: what to say behind a name in the legend.
    """
    points = [p for line in series.values() for p in line]
    low = min(x for x, _ in points)
    high = max(x for x, _ in points)
    top = max(y for _, y in points) * 1.05 or 1.0
    height = 240
    left = 46
    right = WIDTH - 22
    several = sorted({x for x, _ in points})
    many = len(several) > MARKED
    bend = math.log if low > 0 and high / low > 20 and not many else float
    span = (bend(high) - bend(low)) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (bend(x) - bend(low)) / span * (right - left), height - 30 - y / top * (
            height - 50
        )

    out = [_text(0, 10, up), _text(right, height - 2, across, "end")]
    for value in _ticks(top):
        y = place(low, value)[1]
        out.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        out.append(_text(left - 5, y + 4, f"{value:g}", "end"))
    for x in [low + x for x in _ticks(high - low or 1.0)] if many else several:
        out.append(_text(place(x, 0)[0], height - 15, f"{x:g}", "middle"))
    for number, line in enumerate(series.values()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [place(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        pen = f'stroke="{colour}" stroke-width="{1.5 if many else 2}"'
        out.append(f'<polyline points="{path}" fill="none" {pen}/>')
        if not many:
            out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
    names = [f"{name}: {fits[name]}" if fits and name in fits else name for name in series]
    legend, bottom = _legend(names, height + 16)
    return _svg(bottom, [*out, *legend])


def _ticks(top: float) -> list[float]:
    """Return three to six round numbers from 0 up to `top`."""
    step = 10.0 ** math.floor(math.log10(top))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if top / s < 6.5)
    return [k * step for k in range(int(top / step) + 1)]


def _legend(names: Sequence[str], y: float) -> tuple[list[str], float]:
    """Draw coloured squares with names; also return where they end."""
    out = []
    x = 0.0
    for number, name in enumerate(names):
        wide = 30 + 7.2 * len(name)
        if x and x + wide > WIDTH:
            x = 0.0
            y = y + 19
        colour = COLOURS[number % len(COLOURS)]
        out.append(f'<rect x="{x:.1f}" y="{y - 10:.1f}" width="12" height="12" fill="{colour}"/>')
        out.append(_text(x + 17, y, name))
        x += wide
    return out, y + 8


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: float, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">{"".join(parts)}</svg>'
