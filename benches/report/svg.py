"""Plots as SVG: lines over a logarithmic scale, and bars."""

import math
from html import escape

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 48, 56
# Distinguishable to the colour-blind (Okabe and Ito).
COLOURS = ["#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]


def text(x, y, words, anchor="middle", size=13, more=""):
    attributes = f'text-anchor="{anchor}" font-size="{size}" {more}'
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(words)}</text>'


def line(x1, y1, x2, y2, colour="#cccccc", width=1):
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def page(title, parts, height=HEIGHT):
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" role="img" aria-label="{escape(title)}">'
    )
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, ground, text(LEFT, 26, title, "start", 16), *parts, "</svg>\n"])


def number(value):
    """1.5, 20, 3k: what stands at a scale."""
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"


class Scale:
    """A logarithmic or linear way from numbers to places."""

    def __init__(self, least, greatest, begin, end, logarithmic):
        self.logarithmic = logarithmic
        self.least, self.greatest = self.apply(least), self.apply(greatest)
        self.begin, self.end = begin, end

    def apply(self, value):
        return math.log10(value) if self.logarithmic else value

    def place(self, value):
        share = (self.apply(value) - self.least) / ((self.greatest - self.least) or 1)
        return self.begin + share * (self.end - self.begin)


def decades(least, greatest):
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(greatest))
    return [10.0**power for power in range(first, last + 1)]


def steps(greatest):
    """Some five round numbers from 0 on."""
    raw = greatest / 5
    size = 10 ** math.floor(math.log10(raw))
    size *= next(factor for factor in (1, 2, 2.5, 5, 10) if factor * size >= raw)
    return [size * place for place in range(math.ceil(greatest / size) + 1)]


def lines(title, x_name, y_name, series, logarithmic=True):
    """Series of points by name; the x axis is logarithmic."""
    xs = sorted({x for points in series.values() for x, _ in points})
    ys = [y for points in series.values() for _, y in points]
    marks = decades(min(ys), max(ys)) if logarithmic else steps(max(ys))
    across = Scale(xs[0], xs[-1], LEFT, WIDTH - RIGHT, True)
    up = Scale(marks[0], marks[-1], HEIGHT - BOTTOM, TOP, logarithmic)
    parts = []
    for mark in marks:
        parts.append(line(LEFT, up.place(mark), WIDTH - RIGHT, up.place(mark)))
        parts.append(text(LEFT - 8, up.place(mark) + 4, number(mark), "end"))
    for x in xs:
        parts.append(text(across.place(x), HEIGHT - BOTTOM + 18, str(x)))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(text(middle, HEIGHT - 14, x_name))
    turn = f'transform="rotate(-90 18 {(TOP + HEIGHT - BOTTOM) / 2:.0f})"'
    parts.append(text(18, (TOP + HEIGHT - BOTTOM) / 2, y_name, more=turn))
    ends = []
    for (name, points), colour in zip(series.items(), COLOURS):
        places = [(across.place(x), up.place(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        style = f'fill="none" stroke="{colour}" stroke-width="2"'
        parts.append(f'<polyline points="{path}" {style}/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        ends.append((places[-1][1], name, colour))
    parts += labels(ends)
    return page(title, parts)


def labels(ends):
    """The names beside the ends of their lines, apart from each other."""
    parts, last = [], -math.inf
    for y, name, colour in sorted(ends):
        last = max(y, last + 17)
        parts.append(text(WIDTH - RIGHT + 10, last + 4, name, "start", more=f'fill="{colour}"'))
    return parts


def bars(title, values):
    """One bar for each name, with its number."""
    height = TOP + 26 * len(values) + 16
    across = Scale(0, max(max(values.values()), 1), 230, WIDTH - 90, False)
    parts = []
    for place, (name, value) in enumerate(values.items()):
        y = TOP + 26 * place
        width = across.place(value) - 230
        parts.append(text(222, y + 14, name, "end"))
        parts.append(
            f'<rect x="230" y="{y}" width="{width:.1f}" height="18" fill="{COLOURS[1]}"/>'
        )
        parts.append(text(across.place(value) + 6, y + 14, f"{value:g}", "start"))
    return page(title, parts, height)
