# SPDX-License-Identifier: Apache-2.0
"""The results of the benchmarks."""

import json

from tests.bench import __main__ as bench
from tests.bench import measure


def test_results_of_what_is_not_measured_again_are_kept(tmp_path):
    def result(value):
        return measure.Result('title', [measure.Row('row', value)],
                              [measure.Aim('aim', value, 1)])

    for results in ({'refusal': result(1), 'memory': result(1)},
                    {'refusal': result(2)}):
        bench._write(tmp_path, results)
    kept = json.loads((tmp_path / 'results.json').read_text())['results']
    assert {name: (each['rows'][0]['value'], each['aims'][0]['is_met'])
            for name, each in kept.items()} == {
        'refusal': (2, False), 'memory': (1, True)}
