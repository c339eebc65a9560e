# SPDX-License-Identifier: Apache-2.0
"""The options of Trove's side, group ``[trove_guard]`` of trove.conf."""

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
        help='Lock every server of Trove\'s in Nova as soon as it is active, '
             'and unlock it only for as long as an operation of Trove\'s '
             'needs it. While this is false Trove works as without '
             'nova-trove-guard.'),
    cfg.StrOpt(
        'metadata_key',
        default='trove_instance_id',
        help='The server metadata key that marks a server as Trove\'s, as in '
             'the [trove_guard] of nova.conf. A server, volume or port that '
             'Trove makes without it gets it.'),
    cfg.StrOpt(
        'server_owner',
        default='trove',
        choices=tuple(SERVER_OWNERS.items()),
        help='Whose the servers are in Nova.'),
    cfg.StrOpt(
        'unlock',
        default='always',
        choices=(
            ('always', 'Unlock before, lock after.'),
            ('when_needed', 'Unlock only where Nova refuses a call because '
                            'of the lock. An admin in Nova\'s eyes never '
                            'needs that.')),
        help='When an operation unlocks a server.'),
    cfg.StrOpt(
        'coordination_url',
        default='file:///var/lib/trove/trove-guard?timeout=10',
        secret=True,
        help='The tooz back end through which task managers tell each other '
             'what windows they hold open. It must know groups and locks: '
             'file (for task managers on one host), memcached, redis, '
             'etcd3+http or zookeeper. A share of a window whose holder has '
             'crashed expires as the back end\'s driver has it.'),
    cfg.IntOpt(
        'lock_timeout',
        default=120,
        min=0,
        help='For how many seconds an operation goes on trying to lock a '
             'server where Nova does not answer or answers with an error. '
             'After that it leaves it to the reconciler, logs an error and '
             'puts it down as the fault of the database instance.'),
)


def register(conf):
    """Register the options, and return their group (cfg.GroupAttr).

    :param conf: oslo_config.cfg.ConfigOpts of the Trove process
    """
    conf.register_opts(TROVE_OPTS, GROUP)
    return conf[GROUP]


def list_opts():
    """Return the options for oslo-config-generator."""
    return [(GROUP, list(TROVE_OPTS))]
