# SPDX-License-Identifier: Apache-2.0
"""The results as plots, in SVG.

A group of bars for each measurement, and lines for what changes with time.
"""

import collections
from xml.sax import saxutils

# What the names of the guard's own bars start with.
GUARD = ('guard', 'nova-trove-guard')
WIDTH, NAMES, BARS, LINE = 860, 330, 360, 20
STYLE = ('text{font:13px sans-serif;fill:#222}.title{font-weight:bold}'
         '.guard{fill:#1b7f79}.other{fill:#b9b4a7}.missed{fill:#b3261e}')
LINE_STYLE = ('path{fill:none;stroke-width:1.5}'
              'path.guard{stroke:#1b7f79}path.other{stroke:#8c8778}')
# The area of the lines.
TOP, HEIGHT, LINES, LEGEND = 40, 320, 600, 608


def svg(results):
    """Return a plot (str).

    :param results: list of measure.Result
    """
    parts, y = [], 0
    for result in results:
        y += 2 * LINE
        parts.append(_text(0, y, result.title, 'title'))
        most = collections.Counter()
        for row in result.rows:
            most[row.unit] = max(most[row.unit], row.value)
        for row in result.rows:
            y += LINE
            kind = 'guard' if row.name.startswith(GUARD) else 'other'
            length = max(1, BARS * max(0, row.value) / (most[row.unit] or 1))
            parts += [
                _text(12, y, row.name),
                f'<rect x="{NAMES}" y="{y - 12}" width="{length:.1f}" '
                f'height="14" class="{kind}"/>',
                _text(NAMES + length + 6, y,
                      f'{_number(row.value)} {row.unit}')]
        for aim in result.aims:
            y += LINE
            sign = '≤' if aim.at_most else '≥'
            parts.append(_text(
                12, y, f'{"✓" if aim.is_met else "✗"} {aim.name}: '
                f'{aim.value:.3g} {aim.unit} (aim {sign} {aim.limit:g})',
                '' if aim.is_met else 'missed'))
    return _document(y + LINE, STYLE, parts)


def lines(result):
    """Return a plot (str) of the series of a result, which are milliseconds.

    :param result: a measure.Result with series
    """
    most = max(map(max, result.series.values()))
    parts = [_text(0, LINE, result.title + ': milliseconds, slice by slice',
                   'title')]
    legend = []
    for name, values in result.series.items():
        kind = 'guard' if name.startswith(GUARD) else 'other'
        points = [
            (LINES * number / max(1, len(values) - 1),
             TOP + HEIGHT * (1 - value / most))
            for number, value in enumerate(values)]
        path = ' L'.join(f'{x:.1f} {y:.1f}' for x, y in points)
        parts.append(f'<path d="M{path}" class="{kind}"/>')
        legend.append((points[-1][1], name, kind, values[-1]))
    # Names of lines that end close together stand below each other.
    y = 0
    for end, name, kind, value in sorted(legend):
        y = max(y + LINE, end)
        parts.append(_text(LEGEND, y, f'{name}: {_number(value)}', kind))
    return _document(max(y, TOP + HEIGHT) + LINE, STYLE + LINE_STYLE, parts)


def _document(height, style, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}">\n'
            f'<style>{style}</style>\n'
            '<rect width="100%" height="100%" fill="#fff"/>\n'
            + '\n'.join(parts) + '\n</svg>\n')


def _number(value):
    return f'{value:,.0f}' if value >= 100 else f'{value:.3g}'


def _text(x, y, text, kind=''):
    return (f'<text x="{x:.1f}" y="{y:.0f}" class="{kind}">'
            f'{saxutils.escape(text)}</text>')
