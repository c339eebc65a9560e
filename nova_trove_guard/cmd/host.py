# SPDX-License-Identifier: Apache-2.0
"""Read from the configuration files on this host where the guard is on.

The services need not be installed in this environment.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import os

from oslo_config import cfg

from nova_trove_guard.cmd import files
from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.cmd import wings
from nova_trove_guard.core import options
from nova_trove_guard.trove import opts

TROVE = 'Trove'
_TROVE_PACKAGE = 'trove'
_PASTE_OPT = 'api_paste_config'
_PASTE = 'api-paste.ini'
# The client of Trove that calls Nova with the user's token.
_USERS_CLIENT = 'trove.common.clients.nova_client'
_APIS = dict(zip(wings.PACKAGES.values(), pipelines.APIS))


@dataclasses.dataclass(frozen=True, slots=True)
class Side:
    """A service, as it is configured on this host.

    :ivar service: its name
    :ivar path: its configuration file
    :ivar metadata_key: the marker; None if that can't be read
    :ivar why_off: why the guard, or Trove's module, is not on; None if it is
    """

    service: str
    path: str
    metadata_key: str | None
    why_off: str | None

    def __str__(self) -> str:
        """Return the service, and why it is off."""
        return f'{self.service} ({self.why_off})'


# What oslo.config raises for a configuration that can't be read.
UNREADABLE = (cfg.Error, OSError, UnicodeDecodeError)


def read(package: str, config_files: list[str] | None = None,
         config_dirs: list[str] | None = None) -> cfg.ConfigOpts:
    """Read a service's configuration, without registering options.

    :param package: the service's Python package; if no files are given,
        oslo.config finds them by this name
    :raises Exception: one of UNREADABLE
    """
    conf = cfg.ConfigOpts()
    conf([], project=package, default_config_files=config_files or None,
         default_config_dirs=config_dirs or None)
    return conf


def paste_path(conf: cfg.ConfigOpts, package: str) -> str:
    """Return the path of the api-paste.ini that a service loads.

    The same path as nova.api.wsgi.Loader and oslo_service.wsgi.Loader use.

    :param conf: has read the service's files
    :param package: the service's Python package
    :raises outcome.Refused: if there is none
    """
    # The service may have registered the option in `conf` already.
    conf = read(package, conf.config_file, conf.config_dirs or conf.config_dir)
    group = wings.PASTE_GROUPS[package]
    if group == 'DEFAULT':
        conf.register_opt(cfg.StrOpt(_PASTE_OPT, default=_PASTE))
        name = conf[_PASTE_OPT]
    else:
        conf.register_opt(cfg.StrOpt(_PASTE_OPT, default=_PASTE,
                                     deprecated_group='DEFAULT'), group)
        name = conf[group][_PASTE_OPT]
    path = conf.find_file(name)
    if path is None:
        where = '' if os.path.isabs(name) else (
            f', neither beside {" and ".join(conf.config_file)} nor in a '
            f'standard directory such as /etc/{package}'
            if conf.config_file else
            f' in a standard directory such as /etc/{package}')
        raise outcome.Refused(
            f'there is no {name}{where}; [{group}] api_paste_config of '
            f'{package}.conf names it')
    return str(path)


def sides() -> Iterator[Side]:
    """Yield each service, and Trove, if it has a configuration file here."""
    for package in (*_APIS, _TROVE_PACKAGE):
        found = cfg.find_config_files(package)
        if found:
            yield _side(package, found[0])


def incomplete(found: Sequence[Side]) -> Iterator[str]:
    """Yield warnings if the guard is on only in part, or its parts differ.

    :param found: see sides()
    """
    guards = [side for side in found if side.service != TROVE]
    trove = next((side for side in found if side.service == TROVE), None)
    on = [side for side in guards if side.why_off is None]
    off = [side for side in guards if side.why_off is not None]
    if on and off:
        yield (f'The guard is on in {_names(on)}, but not in '
               f'{", ".join(map(str, off))}: there, managed resources are '
               f'not protected.')
    if trove is not None and trove.why_off is None and off and not on:
        yield (f'Trove locks its servers, but the guard is not on in '
               f'{", ".join(map(str, off))}: only these locks protect '
               f'managed servers.')
    marked = [side for side in on if side.service != pipelines.NOVA.service]
    if trove is not None and trove.why_off is not None and marked:
        yield (f'The guard is on in {_names(marked)}, but not in {trove}: '
               f'Trove does not mark volumes, ports and security groups, so '
               f'the guard does not recognize them.')
    keys = {side.metadata_key for side in found
            if side.why_off is None}
    if len(keys) > 1:
        yield ('[trove_guard] metadata_key must be the same everywhere: ' +
               ', '.join(f'{side.metadata_key} in {side.path}'
                         for side in found if side.why_off is None))


def _names(some: Sequence[Side]) -> str:
    return ' and '.join(side.service for side in some)


def _side(package: str, path: str) -> Side:
    """Return a service as its configuration file describes it."""
    service = _APIS[package].service if package in _APIS else TROVE
    try:
        conf = read(package)
        if package not in _APIS:
            values = options.read(conf, opts.TROVE_OPTS)
            return Side(service, path, values['metadata_key'],
                        _why_off(values['trove_managed_instances']))
        text, findings = files.understood(
            pipelines.check, paste_path(conf, package))
        settings = options.settings(conf, pipelines.settings(text), package)
    except (*UNREADABLE, ValueError, outcome.Refused) as error:
        return Side(service, path, None, outcome.describe(error))
    return Side(service, path, settings.metadata_key, _why_off(
        settings.trove_managed_instances) or (
            None if pipelines.are_ok(findings) else
            'the filter is not in every pipeline'))


def _why_off(is_on: bool) -> str | None:
    return None if is_on else 'trove_managed_instances is false'


def users_own(conf: cfg.ConfigOpts) -> str | None:
    """Return the option that puts Trove's servers into users' projects.

    :param conf: has read trove.conf
    :returns: None if they are in Trove's own
    :raises ValueError: for an option that is not valid
    """
    conf.register_opt(cfg.StrOpt('remote_nova_client'))
    if conf.remote_nova_client == _USERS_CLIENT:
        return f'[DEFAULT] remote_nova_client = {_USERS_CLIENT}'
    if options.read(conf, opts.TROVE_OPTS)['server_owner'] == 'user':
        return '[trove_guard] server_owner = user'
    return None
