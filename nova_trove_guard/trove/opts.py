# SPDX-License-Identifier: Apache-2.0
"""Options of Trove's side, group ``[trove_guard]`` of trove.conf."""

from oslo_config import cfg

from nova_trove_guard.core import options

GROUP = options.GROUP

# The values of server_owner, and what they mean.
SERVER_OWNERS = {
    'trove': 'Servers are in Trove\'s own project, and Trove calls Nova with '
             '[service_credentials].',
    'user': 'Servers are in the project of the user, and Trove calls Nova '
            'with the user\'s token and its own service token.',
}

TROVE_OPTS = (
    cfg.BoolOpt(
        'trove_managed_instances',
        default=False,
        help='Lock every managed server in Nova as soon as it is active, and '
             'unlock it only while an operation of Trove needs it unlocked. '
             'While this is false, nova-trove-guard does nothing in Trove.'),
    cfg.StrOpt(
        'metadata_key',
        default='trove_instance_id',
        help='The marker: the metadata key that marks a server or volume as '
             'managed. The tag of a managed port or security group begins '
             'with it. If Trove creates a server, volume, port or security '
             'group without the marker, nova-trove-guard adds it. Use the '
             'same value in [trove_guard] of nova.conf, cinder.conf and '
             'neutron.conf.'),
    cfg.StrOpt(
        'server_owner',
        default='trove',
        choices=tuple(SERVER_OWNERS.items()),
        help='The owner of the servers in Nova.'),
    cfg.StrOpt(
        'unlock',
        default='always',
        choices=(
            ('always', 'Unlock before the first call that changes the '
                       'server.'),
            ('when_needed', 'Unlock only if Nova refuses a call because of '
                            'the lock. Nova never refuses an admin.')),
        help='When an operation unlocks a server. In either case, it locks '
             'the server at its end.'),
    cfg.IntOpt(
        'lock_timeout',
        default=120,
        min=1,
        help='For how many seconds an operation tries to lock a server while '
             'Nova does not respond or responds with an error. After that, '
             'an error is logged and shown as the fault of the database '
             'instance, and the reconciler continues to try. This is also '
             'the time-out of each call of Trove to Nova, Cinder and Neutron, '
             'except calls that lock, unlock or check a lock: their time-out '
             'is a quarter of it.'),
    cfg.IntOpt(
        'unlock_timeout',
        default=900,
        min=1,
        help='For how many seconds an operation may hold a server unlocked. '
             'The reconciler locks a server that has been unlocked for '
             'longer, for example by a task manager that was killed. If the '
             'operation is still under way, it unlocks the server again: a '
             'value that is too small costs two calls to Nova. Set a value '
             'that is longer than a resize takes.'),
    cfg.IntOpt(
        'reconcile_interval',
        default=60,
        min=1,
        help='The average time in seconds between two runs of the reconciler '
             'in a task manager. Each pause is random, between 0.5 and 1.5 '
             'times this value, so that task managers do not run it at the '
             'same time.'),
)


def register(conf: cfg.ConfigOpts) -> cfg.ConfigOpts.GroupAttr:
    """Register the options and return their group."""
    conf.register_opts(TROVE_OPTS, GROUP)
    settings: cfg.ConfigOpts.GroupAttr = conf[GROUP]
    return settings


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options for oslo-config-generator."""
    return [(GROUP, list(TROVE_OPTS))]
