# SPDX-License-Identifier: GPL-2.0
"""Two kinds of small plots, as SVG: bars for each filesystem, and curves."""

import math
from xml.sax.saxutils import escape

COLOURS = {"tmpfs": "#9a9a9a", "lnkfs": "#c8321e", "lnkfs-commits": "#e39a8c", "ext4": "#3a6ea5", "xfs": "#5b9a3f",
           "btrfs": "#c9a227", "f2fs": "#2f9c95"}
WIDTH, HEIGHT = 760, 340
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 60, 40


def text(x, y, s, anchor="middle", size=11, extra=""):
    return '<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d"%s>%s</text>' % (
        x, y, anchor, size, extra, escape(str(s)))


def nice(top):
    """A round number that is not below, and the step of its marks."""
    step = 10 ** math.floor(math.log10(top))
    for k, marks in ((1, 5), (1.5, 3), (2, 4), (3, 3), (4, 4), (5, 5), (6, 3), (8, 4)):
        if top <= step * k:
            return step * k, step * k / marks
    return step * 10, step * 2


def frame(title, series, top, mark):
    """Title, legend, horizontal lines; and how high a value is."""
    out = ['<!-- SPDX-License-Identifier: GPL-2.0 -->',
           '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif">'
           % (WIDTH, HEIGHT), '<rect width="%d" height="%d" fill="#fff"/>' % (WIDTH, HEIGHT),
           text(LEFT, 20, title, "start", 14)]
    for i, name in enumerate(series):
        x = LEFT + 90 * i
        out.append('<rect x="%d" y="30" width="12" height="12" fill="%s"/>' % (x, COLOURS[name]))
        out.append(text(x + 17, 40, name, "start"))

    def y_of(v):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(v, top) / top
    v = 0.0
    while v <= top * 1.001:
        out.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/>' % (
            LEFT, WIDTH - RIGHT, y_of(v), y_of(v)))
        out.append(text(LEFT - 6, y_of(v) + 4, "%g" % v, "end"))
        v += mark
    return out, y_of


def bars(title, groups, peers, unit):
    """Groups of (label, {peer: value}, goal or None), in multiples of the unit."""
    series = [p for p in peers if any(p in g[1] for g in groups)]
    if not series:
        return None
    top, mark = nice(max(v / unit for g in groups for v in g[1].values()))
    out, y_of = frame(title, series, top, mark)
    each = (WIDTH - LEFT - RIGHT) / len(groups)
    bar = each * 0.8 / len(series)
    for g, (label, values, goal) in enumerate(groups):
        x0 = LEFT + g * each + each * 0.1
        for i, p in enumerate(series):
            if p not in values:
                continue
            v = values[p] / unit
            out.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"><title>%s %s: %.4g'
                       '</title></rect>' % (x0 + i * bar, y_of(v), bar * 0.92,
                                            HEIGHT - BOTTOM - y_of(v), COLOURS[p], p,
                                            escape(label), v))
            out.append(text(x0 + (i + 0.46) * bar, y_of(v) - 3, "%.3g" % v, size=9))
        if goal is not None and goal / unit <= top:
            y = y_of(goal / unit)
            out.append('<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#000" '
                       'stroke-dasharray="4 3"/>' % (x0 - 3, x0 + each * 0.8 + 3, y, y))
        out.append(text(x0 + each * 0.4, HEIGHT - BOTTOM + 16, label))
    out.append(text(WIDTH - RIGHT, 20, "dashed: the goal of lnkfs", "end", 10))
    return "\n".join(out + ["</svg>", ""])


def curves(title, lines, what):
    """Lines of {peer: [(x, y)]}; x is shown by its logarithm."""
    if not lines or max(len(p) for p in lines.values()) < 2:
        return None
    xs = sorted({x for points in lines.values() for x, y in points})
    top, mark = nice(max(y for points in lines.values() for x, y in points))
    out, y_of = frame(title, list(lines), top, mark)
    low, high = math.log(xs[0]), math.log(xs[-1])

    def x_of(x):
        return LEFT + 30 + (WIDTH - LEFT - RIGHT - 60) * (math.log(x) - low) / (high - low)
    for x in xs:
        out.append(text(x_of(x), HEIGHT - BOTTOM + 16, format(x, ",")))
    out.append(text(WIDTH / 2, HEIGHT - 8, what))
    for name, points in lines.items():
        path = " ".join("%.1f,%.1f" % (x_of(x), y_of(y)) for x, y in points)
        out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2.5"/>' % (
            path, COLOURS[name]))
        for x, y in points:
            out.append('<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"><title>%s %d: %.4g</title>'
                       '</circle>' % (x_of(x), y_of(y), COLOURS[name], name, x, y))
    return "\n".join(out + ["</svg>", ""])
