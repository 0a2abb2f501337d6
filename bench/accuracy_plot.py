"""Accuracy against FLOPs kept, as an SVG document that needs nothing to show."""

import math

_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 150, 20, 50
_COLOURS = ["#0b6e4f", "#d1495b", "#30638e", "#edae49", "#6a4c93"]


def _scale(low, high, begin, end):
    return lambda value: begin + (value - low) / (high - low) * (end - begin)


def plot(summary, original, methods):
    """One line a method through its means, a bar of the spread at each; the original as a dashed line."""
    budgets = sorted({row["keep_flops"] for row in summary})
    lowest = min(row["accuracy"] - row["spread"] for row in summary)
    low, high = 5 * math.floor(lowest / 5), 5 * math.ceil((original + 0.5) / 5)
    x = _scale(math.log(budgets[0] / 1.15), math.log(min(1.0, budgets[-1] * 1.15)), _LEFT, _WIDTH - _RIGHT)
    y = _scale(low, high, _HEIGHT - _BOTTOM, _TOP)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
             'font-size="12">', f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>']

    def line(x1, y1, x2, y2, style):
        parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>')

    def text(at_x, at_y, words, anchor="middle", more=""):
        parts.append(f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}" {more}>{words}</text>')

    step = 5 if high - low <= 40 else 10
    for value in range(int(low), int(high) + 1, step):
        line(_LEFT, y(value), _WIDTH - _RIGHT, y(value), 'stroke="#dddddd"')
        text(_LEFT - 8, y(value) + 4, value, "end")
    for budget in budgets:
        line(x(math.log(budget)), _HEIGHT - _BOTTOM, x(math.log(budget)), _HEIGHT - _BOTTOM + 5, 'stroke="#444444"')
        text(x(math.log(budget)), _HEIGHT - _BOTTOM + 19, f"{100 * budget:g} %")
    text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, "FLOPs kept (logarithmic)")
    text(16, (_TOP + _HEIGHT - _BOTTOM) / 2, "accuracy, %", more=f'transform="rotate(-90 16 '
         f'{(_TOP + _HEIGHT - _BOTTOM) / 2:.0f})"')
    line(_LEFT, y(original), _WIDTH - _RIGHT, y(original), 'stroke="#444444" stroke-dasharray="4 3"')
    text(_WIDTH - _RIGHT + 6, y(original) + 4, "original", "start")
    for place, method in enumerate(methods):
        rows = sorted((row for row in summary if row["method"] == method), key=lambda row: row["keep_flops"])
        if not rows:
            continue
        colour = _COLOURS[place % len(_COLOURS)]
        points = [(x(math.log(row["keep_flops"])), y(row["accuracy"])) for row in rows]
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="' +
                     " ".join(f"{px:.1f},{py:.1f}" for px, py in points) + '"/>')
        for (px, py), row in zip(points, rows):
            line(px, y(row["accuracy"] - row["spread"]), px, y(row["accuracy"] + row["spread"]),
                 f'stroke="{colour}" stroke-width="1.5"')
            parts.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.5" fill="{colour}"/>')
        legend = _TOP + 60 + 20 * place
        line(_WIDTH - _RIGHT + 10, legend, _WIDTH - _RIGHT + 30, legend, f'stroke="{colour}" stroke-width="2"')
        text(_WIDTH - _RIGHT + 36, legend + 4, method, "start")
    return "\n".join(parts + ["</svg>"]) + "\n"
