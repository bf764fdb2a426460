"""Text with the colours of a terminal, as SVG."""

import re
from html import escape

SIZE, ADVANCE, LINE, MARGIN = 13, 7.83, 19, 16
GROUND, FOREGROUND = "#1d1f21", "#d0d0d0"
COLOURS = {31: "#ff6b68", 33: "#f0c674", 36: "#8abeb7"}


def runs(line, style):
    """The parts of one line with their styles, and the style behind it."""
    parts = []
    for text, codes in re.findall(r"([^\x1b]*)(?:\x1b\[([0-9;]*)m)?", line):
        if text:
            parts.append((text, tuple(sorted(style))))
        for code in filter(None, (codes or "").split(";")):
            style = set() if code == "0" else style | {int(code)}
    return parts, style


def attributes(style):
    colour = next((COLOURS[code] for code in style if code in COLOURS), FOREGROUND)
    weight = ' font-weight="bold"' if 1 in style else ""
    faint = ' opacity="0.6"' if 2 in style else ""
    return f'fill="{colour}"{weight}{faint}'


def svg(prompt, text):
    lines = [f"\x1b[1m{prompt}\x1b[0m", *text.rstrip("\n").split("\n")]
    style, rows, columns = set(), [], 0
    for index, line in enumerate(lines):
        parts, style = runs(line, style)
        columns = max(columns, sum(len(text) for text, _ in parts))
        spans = "".join(f"<tspan {attributes(style)}>{escape(text)}</tspan>" for text, style in parts)
        y = MARGIN + LINE * (index + 0.75)
        rows.append(f'<text x="{MARGIN}" y="{y:.1f}" xml:space="preserve">{spans}</text>')
    width, height = 2 * MARGIN + ADVANCE * columns, 2 * MARGIN + LINE * len(lines)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        f'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{SIZE}" role="img" '
        f'aria-label="{escape(prompt)}">'
    )
    ground = f'<rect width="{width:.0f}" height="{height}" rx="6" fill="{GROUND}"/>'
    return "\n".join([head, ground, *rows, "</svg>\n"])
