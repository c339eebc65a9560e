# SPDX-License-Identifier: Apache-2.0
"""Find out, in Neutron's database, whether a resource is managed.

One SQL statement, through Neutron's own models and engine, finds the ports and
security groups behind an identifier, such as the port of a floating IP, and
their markers. It runs on the primary database, which has the marker first.

A security group is managed if it has the marker, or as long as it is bound to
a port that has the marker: its rules then protect the database, no matter who
created the group.
"""

from collections.abc import Collection, Iterator, Mapping
import functools
import typing

from neutron.db.models import l3
from neutron.db.models import loggingapi
from neutron.db.models import ndp_proxy
from neutron.db.models import port_forwarding
from neutron.db.models import securitygroup
from neutron.db.models import tag as tag_models
from neutron.db import models_v2
from neutron.db import rbac_db_models
from neutron.services.trunk import models as trunk
from neutron_lib.db import api as db
import sqlalchemy

from nova_trove_guard.core import calls
from nova_trove_guard.core import deadline
from nova_trove_guard.core.reports import metrics
from nova_trove_guard.core import resources
from nova_trove_guard.core import searches
from nova_trove_guard.core import services
from nova_trove_guard.neutron import identifiers
from nova_trove_guard.neutron import tags

_IDS: typing.Any = sqlalchemy.bindparam('ids', expanding=True)
_MARKER: typing.Any = sqlalchemy.bindparam('marker')

_Port = models_v2.Port
_Network = models_v2.Network
_Group = securitygroup.SecurityGroup
_Bound = securitygroup.SecurityGroupPortBinding
_Rule = securitygroup.SecurityGroupRule
_Tag = tag_models.Tag
_FloatingIP = l3.FloatingIP
_Forwarding = port_forwarding.PortForwarding
_Proxy = ndp_proxy.NDPProxy
_Log = loggingapi.Log
_Shared = rbac_db_models.SecurityGroupRBAC
_Trunk = trunk.Trunk
_SubPort = trunk.SubPort

# Resources that lead to a port: kind, model, and the columns with the
# resource's id and with the port's.
_TO_PORT = (
    ('floating_ip', _FloatingIP, _FloatingIP.id, _FloatingIP.fixed_port_id),
    ('floating_ip', _Forwarding, _Forwarding.floatingip_id,
     _Forwarding.internal_neutron_port_id),
    ('port_forwarding', _Forwarding, _Forwarding.id,
     _Forwarding.internal_neutron_port_id),
    ('ndp_proxy', _Proxy, _Proxy.id, _Proxy.port_id),
    ('trunk', _Trunk, _Trunk.id, _Trunk.port_id),
    ('trunk', _SubPort, _SubPort.trunk_id, _SubPort.port_id),
    ('log', _Log, _Log.id, _Log.target_id),
)
# Resources that lead to a security group, in the same form.
_TO_GROUP = (
    ('security_group_rule', _Rule, _Rule.id, _Rule.security_group_id),
    ('rbac_policy', _Shared, _Shared.id, _Shared.object_id),
    ('log', _Log, _Log.id, _Log.resource_id),
)


def _marked(model: typing.Any) -> typing.Any:
    """Return the condition that a row has a marker among its tags."""
    return sqlalchemy.and_(
        _Tag.standard_attr_id == model.standard_attr_id,
        _Tag.tag.like(_MARKER, escape='\\'))


def _select(kind: str, model: typing.Any,
            *shown_to: typing.Any) -> typing.Any:
    """Return the beginning of a statement for ports or security groups.

    :param shown_to: columns, at most two, with other projects to which
        Neutron shows them
    """
    none = sqlalchemy.null()
    return sqlalchemy.select(
        sqlalchemy.literal(kind), model.id, model.project_id, _Tag.tag,
        *(*shown_to, none, none)[:2])


def _ports(*owner: typing.Any) -> typing.Any:
    """Return the statement for all managed ports.

    :param owner: the column with the project that owns the resource which
        leads to a port
    """
    return _select('port', _Port, _Network.project_id, *owner).join(
        _Network, _Network.id == _Port.network_id,
    ).join(_Tag, _marked(_Port))


def _groups(*owner: typing.Any) -> Iterator[typing.Any]:
    """Yield the statements for all managed security groups.

    :param owner: the column with the project that owns the resource which
        leads to a group
    """
    group = _select('security_group', _Group, *owner)
    yield group.join(_Tag, _marked(_Group))
    yield group.join(_Bound, _Bound.security_group_id == _Group.id).join(
        _Port, _Port.id == _Bound.port_id).join(_Tag, _marked(_Port))


def _selects() -> Iterator[tuple[str, typing.Any]]:
    """Yield (kind of calls.Target, statement)."""
    yield 'port', _ports().where(_Port.id.in_(_IDS))
    for statement in _groups():
        yield 'security_group', statement.where(_Group.id.in_(_IDS))
    for kind, model, named, port_id in _TO_PORT:
        yield kind, _ports(*_owner(model)).join(
            model, port_id == _Port.id).where(named.in_(_IDS))
    for kind, model, named, group_id in _TO_GROUP:
        for statement in _groups(*_owner(model)):
            yield kind, statement.join(
                model, group_id == _Group.id).where(named.in_(_IDS))


def _owner(model: typing.Any) -> tuple[typing.Any, ...]:
    return (model.project_id,) if hasattr(model, 'project_id') else ()


def _statements() -> Mapping[str, sqlalchemy.Executable]:
    """Return one statement for each kind, and one for ``anything``."""
    by_kind: dict[str, list[typing.Any]] = {}
    for kind, statement in _selects():
        by_kind.setdefault(kind, []).append(statement)
        by_kind.setdefault('anything', []).append(statement)
    return {kind: sqlalchemy.union_all(*statements)
            for kind, statements in by_kind.items()}


_STATEMENTS = _statements()


class NeutronLookup:
    """Find out which ports and security groups are managed.

    :param metadata_key: the marker
    :param measures: times and counts lookups
    :param bound: limits the time of a lookup
    """

    def __init__(self, metadata_key: str, measures: metrics.Metrics,
                 bound: deadline.Deadline) -> None:
        self._metadata_key = metadata_key
        prefix = tags.prefix(metadata_key)
        for special in '\\%_':
            prefix = prefix.replace(special, f'\\{special}')
        self._marker = f'{prefix}%'
        self._measures = measures
        self._bound = bound

    def find(self, named: Collection[calls.Named]) -> Iterator[
            tuple[calls.Named, services.Found]]:
        """Yield identifiers, each with the managed resources it leads to.

        The lookup does not distinguish an unmanaged resource from one that
        does not exist. Neutron does.

        :raises Exception: if the database does not respond; this must never
            be taken for "not managed"
        """
        return searches.find(
            [each for each in named
             if identifiers.may_be_found(each.identifier)],
            lambda *those: self._measures.timed(functools.partial(
                self._bound.call, self._look_up, *those)))

    def _look_up(self, kind: str, ids: list[str]) -> services.Found:
        found = {}
        engine = db.get_context_manager().writer.get_engine()
        with engine.connect() as connection:
            for kind_found, each, project_id, tag, *shown_to in (
                    connection.execute(_STATEMENTS[kind], {
                        'ids': ids, 'marker': self._marker})):
                instance = tags.database_instance(tag, self._metadata_key)
                if instance is not None:
                    found[kind_found, each] = resources.ManagedResource(
                        kind_found, each, project_id, '', instance,
                        frozenset(filter(None, shown_to)))
        return found.values()
