# SPDX-License-Identifier: Apache-2.0
"""The guard's options, group ``[trove_guard]`` of nova.conf."""

import dataclasses

from oslo_config import cfg

GROUP = 'trove_guard'

# Beyond it, memcached takes a number of seconds for a date.
LONGEST_CACHE_TIME = 30 * 24 * 3600

GUARD_OPTS = (
    cfg.BoolOpt(
        'trove_managed_instances',
        default=False,
        help='Refuse every call that changes a server of Trove\'s, copies '
             'data out of it or gives control of it, to everybody but the '
             'Trove admin (policy rule trove_guard:trove_admin). While this '
             'is false the filter takes itself out of the pipeline.'),
    cfg.StrOpt(
        'metadata_key',
        default='trove_instance_id',
        regex='^[a-zA-Z0-9-_:. ]{1,255}$',
        help='The server metadata key that marks a server as Trove\'s; its '
             'value is the id of the database instance. Trove sets it on '
             'every server that it creates. Only the Trove admin may write '
             'it.'),
    cfg.StrOpt(
        'mode',
        default='enforce',
        choices=[
            ('enforce', 'Refuse what the policy does not allow.'),
            ('audit', 'Let it pass, but log and notify it as would_refuse: '
                      'to see for a while what enforce would refuse.')],
        help='What to do with a call that the guard judges must be refused.'),
    cfg.StrOpt(
        'audit_transport_url',
        secret=True,
        help='The oslo.messaging transport to which a CADF event is sent '
             'for each refusal, would-be refusal and use of break-glass, such '
             'as rabbit://user:password@host:5672/. A message bus that is '
             'down or slow delays no API call: events that it does not take '
             'in time are dropped, and their number is logged. Unset, there '
             'are only log lines (logger '
             'nova_trove_guard.core.reports.audit).'),
    cfg.StrOpt(
        'audit_topic',
        default='notifications',
        help='The topic of those events. They are sent with the priority '
             'warn, that is, to the queue <audit_topic>.warn.'),
    cfg.HostAddressOpt(
        'statsd_host',
        help='The host of the statsd server that gets the metrics, by UDP. '
             'Unset, there are none.'),
    cfg.PortOpt(
        'statsd_port',
        default=8125,
        help='The UDP port of the statsd server.'),
    cfg.StrOpt(
        'statsd_prefix',
        default='nova.trove_guard',
        help='What the names of all metrics start with.'),
    cfg.StrOpt(
        'cache_backend',
        default='off',
        choices=[
            ('off', 'Look up each server for each call.'),
            ('memory', 'Each process remembers which servers are Trove\'s, '
                       'and looks up the others each time.'),
            ('memcached', 'All processes remember both, in the '
                          'memcache_servers of group [cache]. Each nova-api '
                          'in front of the same databases must have the same '
                          'servers there, in the same order. While they '
                          'can\'t be reached, servers are looked up, and '
                          'only the Trove admin\'s calls that mark a server '
                          'that exists already are refused (503).')],
        help='Where to remember what was looked up. Of [cache] the guard '
             'takes memcache_servers, socket_timeout, memcache_dead_retry '
             'and tls_*, whether or not Nova itself caches (enabled, '
             'backend).'),
    cfg.IntOpt(
        'cache_time',
        default=600,
        min=1,
        max=LONGEST_CACHE_TIME,
        help='For how many seconds to remember that a server is Trove\'s. '
             'For no longer a server is refused that is not Trove\'s any '
             'more.'),
    cfg.IntOpt(
        'cache_time_not_managed',
        default=60,
        min=0,
        max=LONGEST_CACHE_TIME,
        help='For how many seconds to remember, in memcached, that a server '
             'is not Trove\'s; 0 for not at all. A server that is marked '
             'through a nova-api with the guard is refused from then on all '
             'the same; one that is marked past it, in the database, from '
             'the end of this time on.'),
    cfg.IntOpt(
        'cache_size',
        default=10000,
        min=1,
        help='How many servers a process remembers with cache_backend = '
             'memory, at some 700 bytes each.'),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The values of GUARD_OPTS that one filter works with."""

    trove_managed_instances: bool
    metadata_key: str
    mode: str
    audit_transport_url: str | None = dataclasses.field(repr=False)
    audit_topic: str
    statsd_host: str | None
    statsd_port: int
    statsd_prefix: str
    cache_backend: str = 'off'
    cache_time: int = 600
    cache_time_not_managed: int = 60
    cache_size: int = 10000


def settings(conf, overrides):
    """Read the guard's settings.

    :param conf: oslo_config.cfg.ConfigOpts of the Nova process
    :param overrides: the values (str) of the filter's section in
        api-paste.ini, by option name; they take precedence over `conf`
    :returns: Settings
    :raises ValueError: for an override that is no option or has no valid
        value, so that a typing error keeps nova-api from starting instead
        of leaving the guard off
    """
    conf.register_opts(GUARD_OPTS, GROUP)
    values = {opt.dest: conf[GROUP][opt.dest] for opt in GUARD_OPTS}
    types = {opt.dest: opt.type for opt in GUARD_OPTS}
    for name, text in overrides.items():
        if name not in types:
            raise ValueError(
                f'api-paste.ini sets {name!r} for the trove_guard filter, '
                f'which has no such option; it has {", ".join(types)}')
        try:
            values[name] = types[name](text)
        except ValueError as error:
            raise ValueError(
                f'api-paste.ini sets {name} of the trove_guard filter to '
                f'{text!r}: {error}') from error
    return Settings(**values)


def list_opts():
    """Return the options for oslo-config-generator."""
    return [(GROUP, list(GUARD_OPTS))]
