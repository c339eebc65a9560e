# SPDX-License-Identifier: Apache-2.0
"""The guard's options, group ``[trove_guard]``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import dataclasses
import difflib
import glob
import os
import typing

from oslo_config import cfg

from nova_trove_guard.core import decisions

GROUP = 'trove_guard'

DEFAULT_METADATA_KEY = 'trove_instance_id'

GUARD_OPTS = (
    cfg.BoolOpt(
        'trove_managed_instances',
        default=False,
        help='Allow only the Trove admin (policy rule '
             'trove_guard:trove_admin) to make calls that change a managed '
             'resource, copy data out of it or give control of it. Managed '
             'are: in Nova, servers with the marker; in Cinder, volumes with '
             'the marker, and their snapshots, backups, attachments, '
             'transfers and groups; in Neutron, ports and security groups '
             'that have the marker as a tag, and security groups of such '
             'ports. While this is false, the filter is not in the pipeline.'),
    cfg.StrOpt(
        'metadata_key',
        default=DEFAULT_METADATA_KEY,
        regex='^[a-zA-Z0-9-_:. ]{1,255}$',
        help='The marker: the metadata key that a managed server or volume '
             'has. Its value is the id of the database instance. In Neutron '
             'the marker is a tag: the key, "_" and that id. Trove sets it on '
             'every server that it creates. It also sets it on volumes, ports '
             'and security groups if its remote_cinder_client and '
             'remote_neutron_client are those of '
             'nova_trove_guard.trove.client. Only the Trove admin may write '
             'the marker. Use the same key in nova.conf, cinder.conf, '
             'neutron.conf and trove.conf.'),
    cfg.StrOpt(
        'mode',
        default='enforce',
        choices=[
            (decisions.Mode.ENFORCE,
             'Refuse what the policy does not allow.'),
            (decisions.Mode.AUDIT,
             'Let such calls pass, but log and notify them as would_refuse. '
             'This shows what enforce would refuse.')],
        help='What to do with a call that the policy does not allow.'),
    cfg.StrOpt(
        'audit_transport_url',
        secret=True,
        help='The oslo.messaging transport for CADF events, such as '
             'rabbit://user:password@host:5672/. One event is sent for each '
             'refusal, would-be refusal and use of break-glass. A message bus '
             'that is down or slow delays no API call: events that it does '
             'not accept in time are dropped, and their number is logged. If '
             'this is not set, only log lines are written (logger '
             'nova_trove_guard.reports).'),
    cfg.StrOpt(
        'audit_topic',
        default='notifications',
        help='The topic of the CADF events. They are sent with the priority '
             'warn, that is, to the queue <audit_topic>.warn.'),
    cfg.HostAddressOpt(
        'statsd_host',
        help='The host of the statsd server to which metrics are sent, by '
             'UDP. If this is not set, no metrics are sent.'),
    cfg.PortOpt(
        'statsd_port',
        default=8125,
        help='The UDP port of the statsd server.'),
    cfg.StrOpt(
        'statsd_prefix',
        sample_default='<service>.trove_guard',
        help='The prefix of the names of all metrics. The default is '
             'nova.trove_guard in Nova, cinder.trove_guard in Cinder, and '
             'neutron.trove_guard in Neutron.'),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The values of GUARD_OPTS that one filter works with."""

    trove_managed_instances: bool
    metadata_key: str
    mode: decisions.Mode
    audit_transport_url: str | None = dataclasses.field(repr=False)
    audit_topic: str
    statsd_host: str | None
    statsd_port: int
    statsd_prefix: str


def settings(conf: cfg.ConfigOpts, overrides: Mapping[str, str],
             service: str) -> Settings:
    """Read the guard's settings.

    :param conf: of the service's process
    :param overrides: the values in the filter's section of api-paste.ini, by
        option name; they take precedence
    :param service: the service's name, for the default of statsd_prefix
    :raises ValueError: for an override that is no option or has no valid
        value, so that a typing error keeps the service from starting, and
        does not leave the guard off
    """
    values = read(conf, GUARD_OPTS)
    types = {opt.dest: opt.type for opt in GUARD_OPTS}
    for name, text in overrides.items():
        if name not in types:
            raise ValueError(
                f'api-paste.ini sets {name!r} for the trove_guard filter, '
                f'which has no such option{_guess(name, types)}; it has '
                f'{", ".join(types)}')
        try:
            values[name] = types[name](text)
        except ValueError as error:
            raise ValueError(
                f'api-paste.ini sets {name} of the trove_guard filter to '
                f'{text!r}: {error}') from error
    if values['statsd_prefix'] is None:
        values['statsd_prefix'] = f'{service}.{GROUP}'
    return Settings(**values | {'mode': decisions.Mode(values['mode'])})


def read(conf: cfg.ConfigOpts,
         opts: Sequence[cfg.Opt]) -> dict[str, typing.Any]:
    """Return the values of options in the section, by name.

    :raises ValueError: for a value that is not valid
    """
    conf.register_opts(opts, GROUP)
    values = {}
    for opt in opts:
        try:
            values[opt.dest] = conf[GROUP][opt.dest]
        except cfg.ConfigSourceValueError as error:
            # Its message has the repr of oslo.config's LocationInfo.
            path, = [path for path, section, names in _sections(conf)
                     if section == GROUP and opt.dest in names
                     ][-1:] or ['the configuration']
            raise ValueError(f'{path}: [{GROUP}] {opt.dest} is not valid: '
                             f'{error.__context__ or error}') from error
    return values


# How alike a section and ours must be: less than that, and it is [trove].
_ALIKE = 0.8


def unknown(conf: cfg.ConfigOpts,
            known: Iterable[cfg.Opt] = GUARD_OPTS) -> Iterator[str]:
    """Yield the options that the configuration files set to no effect.

    oslo.config reads only the options that it is asked for. So a misspelt
    option keeps its default value, and nothing reports it.

    :param conf: has read the files
    :param known: the options that the section has
    :returns: sentences, without the values, which may be secrets
    """
    known_names = [opt.dest for opt in known]
    for path, section, names in _sections(conf):
        if section == GROUP:
            for name in names:
                if name not in known_names:
                    yield (f'{path}: [{GROUP}] has no option {name}'
                           f'{_guess(name, known_names)}')
        elif difflib.get_close_matches(section, (GROUP,), cutoff=_ALIKE):
            yield (f'{path}: [{section}] is no section that the guard reads'
                   f'{_guess(section, (GROUP,))}')


def _sections(conf: cfg.ConfigOpts) -> Iterator[
        tuple[str, str, Iterable[str]]]:
    """Yield path, section and names of options of the configuration files.

    A file that can't be read has changed since the service read it.
    """
    for path in _files(conf):
        sections: dict[str, dict[str, list[str]]] = {}
        try:
            cfg.ConfigParser(path, sections).parse()
        except (OSError, UnicodeDecodeError, cfg.ParseError):
            continue
        for section, values in sections.items():
            # As oslo.config compares them.
            yield path, section.lower(), values


def _files(conf: cfg.ConfigOpts) -> Iterator[str]:
    """Yield the paths of all configuration files, as oslo.config reads them.

    config_dirs has the directories on the command line, config_dir the last
    of them; without any, config_dir has the default directories.
    """
    yield from map(os.path.expanduser, conf.config_file)
    for directory in conf.config_dirs or conf.config_dir:
        yield from sorted(glob.glob(
            os.path.join(os.path.expanduser(directory), '*.conf')))


def _guess(name: str, names: Iterable[str]) -> str:
    """Return which name was meant, as the end of a sentence, or nothing."""
    meant = difflib.get_close_matches(name.lower(), list(names), 1)
    return f', did you mean {meant[0]}?' if meant else ''


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the options for oslo-config-generator."""
    return [(GROUP, list(GUARD_OPTS))]
