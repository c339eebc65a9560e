# SPDX-License-Identifier: Apache-2.0
"""The results as a plot, in SVG: a group of bars for each measurement."""

import collections
from xml.sax import saxutils

# What the names of the guard's own bars start with.
GUARD = ('guard', 'nova-trove-guard')
WIDTH, NAMES, BARS, LINE = 860, 330, 360, 20
STYLE = ('text{font:13px sans-serif;fill:#222}.title{font-weight:bold}'
         '.guard{fill:#1b7f79}.other{fill:#b9b4a7}.missed{fill:#b3261e}')


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
    height = y + LINE
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{height}" viewBox="0 0 {WIDTH} {height}">\n'
            f'<style>{STYLE}</style>\n'
            '<rect width="100%" height="100%" fill="#fff"/>\n'
            + '\n'.join(parts) + '\n</svg>\n')


def _number(value):
    return f'{value:,.0f}' if value >= 100 else f'{value:.3g}'


def _text(x, y, text, kind=''):
    return (f'<text x="{x:.1f}" y="{y}" class="{kind}">'
            f'{saxutils.escape(text)}</text>')
