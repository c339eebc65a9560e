# SPDX-License-Identifier: Apache-2.0
"""contrib/ has the names that the guard's metrics have.

tests/production has promtool check the rules, and what fires when.
"""

import contextlib
import importlib
import itertools
import json
import pathlib
import re

import pytest
import yaml

from nova_trove_guard.core import calls
from nova_trove_guard.core import decisions
from nova_trove_guard.core import options
from nova_trove_guard.core.reports import metrics

ROOT = pathlib.Path(__file__).parents[2]
CONTRIB = ROOT / 'contrib'
MAPPINGS = yaml.safe_load(
    (CONTRIB / 'statsd-exporter-mapping.yaml').read_text())['mappings']
GROUPS = yaml.safe_load(
    (CONTRIB / 'prometheus-rules.yaml').read_text())['groups']
DASHBOARD = json.loads((CONTRIB / 'grafana-dashboard.json').read_text())
RULES = {rule['alert']: rule for group in GROUPS for rule in group['rules']}
PANELS = {panel['title']: panel for panel in DASHBOARD['panels']}
SERVICES = ('nova', 'cinder', 'neutron')
# What Prometheus adds.
ADDED = {'instance', 'job'}
# What the exporter adds to the name of a histogram.
HISTOGRAM = ('_bucket', '_sum', '_count')
# In Grafana: all services, and the width of the screen in pixels.
SERVICE = {'$service'}
COLUMNS = 24


class StatsClient:
    """What the guard needs of statsd.StatsClient.

    :ivar sent: set of name and type, in the exporter's words
    """

    def __init__(self, prefix):
        self._prefix = prefix
        self.sent = set()

    def incr(self, name):
        """Count."""
        self.sent.add((f'{self._prefix}.{name}', 'counter'))

    @contextlib.contextmanager
    def timer(self, name):
        """Measure a time."""
        self.sent.add((f'{self._prefix}.{name}', 'observer'))
        yield


def operations(service):
    """Yield all operations of a service."""
    module = importlib.import_module(
        f'nova_trove_guard.{service}.operations')
    yield from (operation for operation, *_ in module.documented())
    yield from (value for value in vars(module).values()
                if isinstance(value, calls.Operation))


def fail():
    """Stand in for a lookup that fails."""
    raise TimeoutError


def sent(service):
    """Return all that the guard in a service can send."""
    client = StatsClient(f'{service}.{options.GROUP}')
    for mode in decisions.Mode:
        statsd = metrics.Statsd(client, mode)
        for outcome, operation in itertools.product(
                decisions.Outcome, operations(service)):
            decision = decisions.Decision(operation, None, None, 'x', None)
            for observe in statsd.observers:
                observe(decision.with_outcome(outcome))
        for lookup in (lambda: [None]), list:
            statsd.timed(lookup)
        with contextlib.suppress(TimeoutError):
            statsd.timed(fail)
    return client.sent


def mapped(name, kind):
    """Return the name and the labels that the exporter gives to a metric.

    The first mapping that matches; a "*" is anything but a dot.
    """
    for mapping in MAPPINGS:
        pattern = re.escape(mapping['match']).replace(r'\*', '([^.]*)')
        match = re.fullmatch(pattern, name)
        if match and mapping['match_metric_type'] == kind:
            # "$1" is "\1" here.
            return mapping['name'], {
                label: match.expand(value.replace('$', '\\'))
                for label, value in mapping['labels'].items()}
    return None


@pytest.fixture(scope='module')
def series():
    """Return the values of each label, by name and label."""
    found = {}
    for service in SERVICES:
        for name, kind in sent(service):
            name, labels = mapped(name, kind)
            for suffix in HISTOGRAM if kind == 'observer' else ('',):
                values = found.setdefault(f'{name}{suffix}', {})
                for label, value in labels.items():
                    values.setdefault(label, set()).add(value)
                if suffix == '_bucket':
                    values['le'] = set()
    return found


def expressions():
    """Yield where a PromQL expression is, and the expression."""
    for name, rule in RULES.items():
        yield f'alert {name}', rule['expr']
    for title, panel in PANELS.items():
        for target in panel['targets']:
            yield f'panel {title} {target["refId"]}', target['expr']


EXPRESSIONS = dict(expressions())
EACH = pytest.mark.parametrize(
    'expression', EXPRESSIONS.values(), ids=EXPRESSIONS)


def grouped(expression):
    """Return the labels by which a PromQL expression groups."""
    return {label for labels in re.findall(
        r'\b(?:by|on) \(([^)]*)\)', expression)
        for label in labels.split(', ')}


@pytest.mark.parametrize('service', SERVICES)
def test_every_metric_is_mapped_and_no_two_to_one(service):
    metrics_sent = sent(service)
    found = {(name, tuple(sorted(labels.items())))
             for name, labels in (mapped(*each) for each in metrics_sent)}
    assert len(found) == len(metrics_sent)
    assert all(dict(labels)['service'] == service for _, labels in found)


def test_every_mapping_is_of_a_metric():
    unused = {mapping['name'] for mapping in MAPPINGS} - {
        mapped(*each)[0] for service in SERVICES for each in sent(service)}
    assert unused == set()


@EACH
def test_an_expression_names_metrics_and_labels_that_there_are(
        expression, series):
    names = re.findall(r'\btrove_guard_\w+', expression)
    assert names
    for name in names:
        assert name in series
        assert grouped(expression) <= series[name].keys() | ADDED
    for name, matchers in re.findall(r'(\w+){([^}]*)}', expression):
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
            assert set(values.split('|')) <= series[name][label] | SERVICE


@EACH
def test_an_expression_says_of_all_metrics_which_labels_count(expression):
    # No matcher is left out by the test above.
    for matchers in re.findall(r'{([^}]*)}', expression):
        assert re.fullmatch(r'(\w+=~?"[^"]*"(, )?)+', matchers)


@pytest.mark.parametrize('rule', RULES.values(), ids=RULES)
def test_the_words_of_an_alert_use_labels_that_it_has(rule):
    text = ' '.join(rule['annotations'].values())
    used = set(re.findall(r'\$labels\.(\w+)', text))
    assert used <= grouped(rule['expr']) | ADDED
    assert rule['labels']['severity'] in ('warning', 'critical')


@pytest.mark.parametrize('panel', PANELS.values(), ids=PANELS)
def test_a_panel_s_legend_uses_labels_that_it_has(panel):
    for target in panel['targets']:
        used = set(re.findall('{{(.*?)}}', target['legendFormat']))
        assert used <= grouped(target['expr'])


def test_each_panel_has_its_place_and_the_chosen_data_source():
    taken = set()
    for panel in DASHBOARD['panels']:
        place = panel['gridPos']
        cells = set(itertools.product(
            range(place['x'], place['x'] + place['w']),
            range(place['y'], place['y'] + place['h'])))
        assert max(column for column, _ in cells) < COLUMNS
        assert not cells & taken
        taken |= cells
        for shown in (panel, *panel['targets']):
            assert shown['datasource'] == {
                'type': 'prometheus', 'uid': '${datasource}'}
    numbers = [panel['id'] for panel in DASHBOARD['panels']]
    assert len(set(numbers)) == len(numbers)


def test_the_dashboard_s_services_are_those_of_the_metrics(series):
    datasource, service = DASHBOARD['templating']['list']
    assert (datasource['name'], datasource['type']) == (
        'datasource', 'datasource')
    name, label = re.fullmatch(
        r'label_values\((\w+), (\w+)\)', service['query']['query']).groups()
    assert series[name][label] == set(SERVICES)


def documented(page):
    """Return the names that begin the rows of the tables of a page."""
    text = (ROOT / 'doc/source' / page).read_text()
    return set(re.findall('^``([A-Za-z_]+)`` ', text, re.M))


def test_the_alerts_and_metrics_are_documented():
    assert {name for name in documented('admin/monitoring.rst')
            if name.startswith('TroveGuard')} == RULES.keys()
    assert {name for name in documented('reference/metrics.rst')
            if name.startswith('trove_guard')} == {
        mapping['name'] for mapping in MAPPINGS}
