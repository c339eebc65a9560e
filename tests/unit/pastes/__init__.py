# SPDX-License-Identifier: Apache-2.0
"""Files api-paste.ini, and a paste.deploy that loads any of them.

nova-23.ini and nova-27.ini are the files in the wheels of nova 23.0.0 and
27.0.0 on PyPI (Apache-2.0); 27's is also that of 29 to 31. debian-26.ini is
/usr/share/nova-common/api-paste.ini of Debian 12's package nova-common
26.2.2-1~deb12u5 (Apache-2.0), which Debian copies to /etc/nova. The
environment has those of the installed Nova, Cinder and Neutron. The other
files are in the manner of what tools and older releases of Nova make of it:
see their first lines.
"""

import configparser
import pathlib
import sys

from paste import deploy

HERE = pathlib.Path(__file__).parent
# The wheels have them as data files of the environment.
INSTALLED = {
    'installed': pathlib.Path(sys.prefix, 'etc/nova/api-paste.ini'),
    'cinder': pathlib.Path(sys.prefix, 'etc/cinder/api-paste.ini'),
    'neutron': pathlib.Path(sys.prefix, 'etc/neutron/api-paste.ini'),
}
# The factories of composites that have pipelines.
_PIPELINES = ('call:nova.api.auth:', 'call:cinder.api.middleware.auth:',
              'call:neutron.auth:')
# What stands for filters, applications and services' own composites.
_FACTORIES = {
    'filter': 'paste.filter_factory = tests.unit.pastes:filter_factory',
    'app': 'paste.app_factory = tests.unit.pastes:app_factory',
    'composite': 'use = call:tests.unit.pastes:composite_factory',
    'composit': 'use = call:tests.unit.pastes:composite_factory',
    'pipeline': '',
}


def texts():
    """Return the text of each file by name, line ends as they are."""
    paths = INSTALLED | {
        path.stem: path for path in sorted(HERE.glob('*.ini'))}
    return {name: path.read_bytes().decode() for name, path in paths.items()}


def pipelines(text, directory):
    """Load each pipeline with paste.deploy, with stand-ins in it.

    :param text: of an api-paste.ini
    :param directory: where files can be written
    :returns: list of tuple: the names of the filters and the application of
        each pipeline, in order
    """
    ini = configparser.RawConfigParser()
    ini.optionxform = str
    ini.read_string(text.replace('\r\n', '\n'))
    lines, loaded = [], []
    for section in ini.sections():
        kind, _, name = section.partition(':')
        lines += [f'[{section}]', _FACTORIES[kind]]
        if kind in ('filter', 'app'):
            lines.append(f'name = {name}')
            continue
        if kind.startswith('composit') and not ini[section]['use'].startswith(
                _PIPELINES):
            lines.append('nothing =')  # it leads to pipelines by URL
            continue
        loaded.append(name)
        lines += [f'{option} = ' + ' '.join(value.split())
                  for option, value in ini[section].items()
                  if option != 'use']
    path = directory / 'api-paste.ini'
    path.write_text('\n'.join(lines))
    found = []
    for name in loaded:
        application = deploy.loadapp(f'config:{path}', name=name)
        found += (application if isinstance(application, list)
                  else [application])
    return found


def filter_factory(global_conf, name):
    """Return a filter that adds its name to a pipeline."""
    return lambda application: (name, *application)


def app_factory(global_conf, name):
    """Return an application: a pipeline of its name."""
    return (name,)


def composite_factory(loader, global_conf, **options):
    """Return a list of all of a composite's pipelines."""
    found = []
    for option in options.values():
        *names, last = option.split() or ['']
        if last:
            application = loader.get_app(last)
            for name in reversed(names):
                application = loader.get_filter(name)(application)
            found.append(application)
    return found
