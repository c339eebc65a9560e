# SPDX-License-Identifier: Apache-2.0
"""Prometheus reads the rules and the dashboard, and fires what it should."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

CONTRIB = pathlib.Path(__file__).parents[2] / 'contrib'
ALERTS = pathlib.Path(__file__).with_name('prometheus-alerts.yaml')


@pytest.fixture
def promtool():
    """Return f(arguments): what promtool prints; it must succeed."""
    if shutil.which('promtool') is None:
        pytest.fail('There is no promtool here: apt-get install prometheus',
                    pytrace=False)

    def run(*arguments):
        done = subprocess.run(
            ['promtool', *arguments], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


def test_the_rules_are_prometheus_rules(promtool):
    assert 'SUCCESS' in promtool(
        'check', 'rules', CONTRIB / 'prometheus-rules.yaml')


def test_alerts_fire_when_they_should_and_not_else(promtool):
    assert 'SUCCESS' in promtool('test', 'rules', ALERTS)


def test_there_is_a_test_of_each_alert():
    rules = yaml.safe_load((CONTRIB / 'prometheus-rules.yaml').read_text())
    fired = {case['alertname']
             for test in yaml.safe_load(ALERTS.read_text())['tests']
             for case in test['alert_rule_test'] if case.get('exp_alerts')}
    assert fired == {rule['alert'] for group in rules['groups']
                     for rule in group['rules']}


def test_the_dashboard_s_expressions_are_promql(promtool, tmp_path):
    dashboard = json.loads((CONTRIB / 'grafana-dashboard.json').read_text())
    rules = [{
        'record': 'x',
        # As Grafana puts values in place of its variables.
        'expr': re.sub(r'\$__\w+', '5m', target['expr']).replace(
            '$service', 'nova|cinder'),
        'labels': {'panel': panel['title'], 'target': target['refId']},
    } for panel in dashboard['panels'] for target in panel['targets']]
    path = tmp_path / 'rules.yaml'
    path.write_text(yaml.safe_dump(
        {'groups': [{'name': 'dashboard', 'rules': rules}]}))
    assert f'{len(rules)} rules found' in promtool('check', 'rules', path)
