# SPDX-License-Identifier: Apache-2.0
"""The guard's options, group ``[trove_guard]`` of nova.conf."""

import dataclasses

from oslo_config import cfg

GROUP = 'trove_guard'

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
)


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The values of GUARD_OPTS that one filter works with."""

    trove_managed_instances: bool
    metadata_key: str


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
