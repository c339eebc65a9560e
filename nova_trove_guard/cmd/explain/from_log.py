# SPDX-License-Identifier: Apache-2.0
"""Explain a request by the line that the guard logged about it."""

import argparse
from collections.abc import Iterator
import typing

from oslo_config import cfg
import webob.exc

from nova_trove_guard.cmd.explain import verdicts
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.report import judgements
from nova_trove_guard.cmd.report import logs
from nova_trove_guard.cmd import wings
from nova_trove_guard.core import calls
from nova_trove_guard.core import decisions
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.policy import rules
from nova_trove_guard.core.reports import log

# The type of the service that has a kind of resource: see wings.PACKAGES.
SERVICES = {'server': 'compute', 'volume': 'volume', 'port': 'network',
            'security_group': 'network'}

_TROVE_ADMIN = 'the principal is the Trove admin'
# What would let a call pass, by the status of its refusal.
_REMEDIES = {
    400: 'the request says what to do, and with which {kind}, in a form that '
         '{service} accepts',
    503: 'the cause of the error is fixed: the log of {service} has a '
         'traceback in front of this line',
}
_VERDICTS = {
    judgements.PolicyVerdict.PASSES: 'lets it pass',
    judgements.PolicyVerdict.REFUSES: 'refuses it, too',
    judgements.PolicyVerdict.NOT_JUDGED: 'cannot be judged: {why}',
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a line of a log."""
    group = parser.add_argument_group(
        'a request that the guard has logged',
        'Instead of METHOD, PATH and the caller.')
    group.add_argument(
        '--request-id', metavar='<id>',
        help='the request id in the response of the service; needs --log')
    group.add_argument(
        '--log', action='append', default=[], metavar='<file>',
        help=f'the log of the service, also one compressed to .gz, or '
             f'{logs.STANDARD_INPUT} for standard input; may be given several '
             f'times')


def find(request_id: str, paths: list[str],
         stdin: typing.BinaryIO) -> logs.LoggedEntry:
    """Return the guard's line about a request.

    A service creates an id for each request: if there are several lines, they
    are copies.

    :raises outcome.Refused: if there is none, or a log can't be read
    """
    if not paths:
        raise outcome.Refused('--request-id needs --log')
    reader = logs.Reader()
    for logged in reader.read(paths, stdin):
        if logged.entry.request_id == request_id:
            return logged
    unreadable = (f' Lines that could not be read: {reader.unreadable}.'
                  if reader.unreadable else '')
    raise outcome.Refused(
        f'the guard has logged nothing about {request_id} in '
        f'{", ".join(paths)}. It logs what it refuses, or would refuse, and '
        f'what passes by break-glass only.{unreadable}')


def service_of(entry: log.Entry) -> str:
    """Return the type of the service that logged an entry.

    :raises outcome.Refused: if the kind of resource is unknown
    """
    if entry.kind not in SERVICES:
        raise outcome.Refused(f'the line is about a {entry.kind}, which this '
                              f'release does not know')
    return SERVICES[entry.kind]


def explain(logged: logs.LoggedEntry, wing: wings.Wing) -> tuple[
        tuple[str, ...], tuple[typing.Any, ...]]:
    """Return the columns about a line, with their values.

    :param wing: the service; its configuration is in cfg.CONF
    :raises outcome.Refused: if there is a mistake in the policy file
    """
    try:
        enforcer = wing.enforcer(cfg.CONF)
    except enforcement.PolicyUnreadable as error:
        raise outcome.Refused(str(error)) from error
    columns, values = zip(*_columns(logged, wing, enforcer))
    return columns, values


def _columns(logged: logs.LoggedEntry, wing: wings.Wing,
             enforcer: enforcement.Enforcer,
             ) -> Iterator[tuple[str, typing.Any]]:
    """Yield each column with its value, in the order of explain's."""
    entry = logged.entry
    yield 'time', logged.time or log.NONE
    yield 'request_id', log.quoted(entry.request_id)
    yield 'operation', log.quoted(entry.operation)
    yield 'rule', entry.rule and log.quoted(entry.rule)
    judge = enforcer.judge(entry.principal)
    yield 'check', '\n'.join(
        f'{name}: {check}' for name, check in judge.checks(
            entry.rule).items()) if entry.rule else None
    yield 'user_id', log.quoted(entry.user_id)
    yield 'project_id', log.quoted(entry.project_id)
    yield 'roles', log.listed(entry.roles)
    yield 'service_user_id', log.quoted(entry.service_user_id)
    yield 'service_roles', log.listed(entry.service_roles)
    yield entry.kind, log.quoted(entry.resource_id)
    yield 'database_instance', log.quoted(entry.database_instance)
    yield 'decision', str(entry.outcome)
    yield 'why', _why(entry, wing)
    yield 'passes_if', _remedy(entry, wing)
    judgement = judgements.PolicyJudge(wing, enforcer).judge(entry)
    yield 'policy_now', _VERDICTS[judgement.verdict].format(why=judgement.why)
    yield 'status', entry.status or f'{wing.api.service}\'s own'


def _why(entry: log.Entry, wing: wings.Wing) -> str:
    """Return the reason, in the same words as for a request."""
    operation = wing.operations().get(
        entry.operation, calls.Operation(entry.operation))
    fault = webob.exc.status_map.get(_status(entry))
    return verdicts.Verdict(
        wing, calls.Call(operation, None, 0, '', None, ''),
        decisions.Decision(
            operation, entry.request_id, entry.principal, entry.kind,
            entry.resource_id, entry.database_instance,
            outcome=entry.outcome, rule=entry.rule,
            fault=fault() if fault else None),
        entry.status, '').why


def _status(entry: log.Entry) -> int:
    """Return the status that shows the reason, 0 for none."""
    return 400 if entry.is_malformed else entry.status or 0


def _remedy(entry: log.Entry, wing: wings.Wing) -> str:
    """Return what would have let the call pass, without break-glass."""
    if entry.user_id is None:
        return ('auth_token verifies the caller: nova-trove-guard paste check '
                'shows whether the filter is in its place')
    if _status(entry) in _REMEDIES:
        return verdicts.worded(_REMEDIES[_status(entry)], wing)
    if entry.rule == rules.TROVE_ADMIN:
        return f'{_TROVE_ADMIN}; no other rule lets anyone change the marker'
    operation = wing.operations().get(entry.operation)
    remedy = (f'{_TROVE_ADMIN}, or {rules.PREFIX}{log.quoted(entry.operation)}'
              f' in the policy file of {wing.api.service} allows it')
    if operation is not None and operation.instead:
        remedy += (f'; the owner can use: '
                   f'{operation.instead.format("<instance>")}')
    return remedy
