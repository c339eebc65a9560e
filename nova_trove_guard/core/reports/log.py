# SPDX-License-Identifier: Apache-2.0
"""Write one log line for each refusal, would-be refusal and break-glass.

It has no room for tokens, bodies or query strings: it is made of a Decision,
which has none. read() reads such a line: what log_line() writes it reads back.
"""

from collections.abc import Collection
import dataclasses
import re
import urllib.parse

from oslo_log import log as logging

from nova_trove_guard.core import decisions
from nova_trove_guard.core import principals

# Operators have this name in their files: it does not move with the module.
LOGGER = 'nova_trove_guard.reports'
LOG = logging.getLogger(LOGGER)

NONE = '-'
_FIELD = re.compile('([a-z_]+)=((?:[A-Za-z0-9_.~:,-]|%[0-9A-F]{2})*)')


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """What a log line holds; see decisions.Decision and principals.Principal.

    :ivar roles: sorted; None in a line of a release that did not log them
    :ivar service_roles: the same of the service token
    :ivar operation: its name
    :ivar status: of the answer, None where it is the service's own
    """

    outcome: decisions.Outcome
    request_id: str | None
    user_id: str | None
    project_id: str | None
    roles: tuple[str, ...] | None
    service_user_id: str | None
    service_roles: tuple[str, ...] | None
    operation: str
    kind: str
    resource_id: str | None
    resource_project_id: str | None
    resource_user_id: str | None
    database_instance: str | None
    rule: str | None
    status: int | None

    @property
    def principal(self) -> principals.Principal:
        """The caller, as far as the line shows them."""
        return principals.Principal(
            self.user_id or '', self.project_id, self.roles or (),
            self.service_user_id, self.service_roles or ())

    @property
    def is_malformed(self) -> bool:
        """Whether the guard could not read the request.

        The answer does not say so to a caller who may not see the resource.
        """
        return (self.rule is None and self.user_id is not None and
                self.status != 503)


def report(decision: decisions.Decision) -> None:
    """Write the log line of a decision."""
    if decision.outcome in decisions.REPORTED:
        LOG.warning(log_line(entry(decision)))


def entry(decision: decisions.Decision) -> Entry:
    """Return what the log line of a decision holds."""
    principal, fault = decision.principal, decision.fault
    return Entry(
        outcome=decision.outcome,
        request_id=decision.request_id,
        user_id=principal.user_id if principal else None,
        project_id=principal.project_id if principal else None,
        roles=tuple(sorted(principal.roles)) if principal else (),
        service_user_id=principal.service_user_id if principal else None,
        service_roles=(
            tuple(sorted(principal.service_roles)) if principal else ()),
        operation=decision.operation.name,
        kind=decision.kind,
        resource_id=decision.resource_id,
        # Neutron's resources have no user: theirs is empty.
        resource_project_id=decision.resource_project_id or None,
        resource_user_id=decision.resource_user_id or None,
        database_instance=decision.database_instance,
        rule=decision.rule,
        status=fault.status_int if fault else None)


def log_line(entry: Entry) -> str:
    """Return the log line of an entry: ``key=value``, by single spaces."""
    fields = {
        'decision': quoted(entry.outcome),
        'request_id': quoted(entry.request_id),
        'user_id': quoted(entry.user_id),
        'project_id': quoted(entry.project_id),
        'roles': listed(entry.roles),
        'service_user_id': quoted(entry.service_user_id),
        'service_roles': listed(entry.service_roles),
        'operation': quoted(entry.operation),
        entry.kind: quoted(entry.resource_id),
        f'{entry.kind}_project_id': quoted(entry.resource_project_id),
        f'{entry.kind}_user_id': quoted(entry.resource_user_id),
        'database_instance': quoted(entry.database_instance),
        'rule': quoted(entry.rule),
        'status': NONE if entry.status is None else str(entry.status),
    }
    return ' '.join(f'{key}={value}' for key, value in fields.items())


def read(line: str) -> Entry:
    """Return what a log line holds, also one of an earlier release.

    :param line: the message alone, without what the log's format adds
    :raises ValueError: if it is not a log line of the guard
    """
    matches = [_FIELD.fullmatch(word) for word in line.split(' ')]
    fields = {match[1]: match[2] for match in matches if match}
    if len(fields) != len(matches):
        raise ValueError(f'not a log line of the guard: {line!a}')
    if fields.get('decision') not in decisions.REPORTED:
        raise ValueError(f'not a decision that is logged: {line!a}')
    try:
        names = [*fields, '']
        kind = names[names.index('operation') + 1]
        return Entry(
            outcome=decisions.Outcome(fields['decision']),
            request_id=_unquoted(fields['request_id']),
            user_id=_unquoted(fields['user_id']),
            project_id=_unquoted(fields['project_id']),
            roles=_unlisted(fields.get('roles')),
            service_user_id=_unquoted(fields['service_user_id']),
            service_roles=_unlisted(fields.get('service_roles')),
            operation=_decoded(fields['operation']),
            kind=kind,
            resource_id=_unquoted(fields[kind]),
            resource_project_id=_unquoted(
                fields.get(f'{kind}_project_id', NONE)),
            resource_user_id=_unquoted(fields.get(f'{kind}_user_id', NONE)),
            database_instance=_unquoted(fields['database_instance']),
            rule=_unquoted(fields['rule']),
            status=(None if fields['status'] == NONE
                    else int(fields['status'])))
    except KeyError as error:
        raise ValueError(f'a log line without {error}: {line!a}') from error


def quoted(value: str | None) -> str:
    """Return a value as it is in a log line: one word, of ASCII.

    A marker from before the guard, or the name of a role, can be anything: a
    line break and another decision, for example.
    """
    if value is None:
        return NONE
    if value == NONE:
        return '%2D'
    return urllib.parse.quote(value, safe=':-', errors='surrogatepass')


def listed(values: Collection[str] | None) -> str:
    """Return values as they are in a log line: one word, of ASCII."""
    return ','.join(map(quoted, values)) if values else NONE


def _unquoted(word: str) -> str | None:
    return None if word == NONE else _decoded(word)


def _unlisted(words: str | None) -> tuple[str, ...] | None:
    if words is None:
        return None
    if words == NONE:
        return ()
    return tuple(map(_decoded, words.split(',')))


def _decoded(word: str) -> str:
    return urllib.parse.unquote(word, errors='surrogatepass')
