# SPDX-License-Identifier: Apache-2.0
"""Sphinx's configuration: ``python3 -m tests --gates`` builds the pages."""

import argparse
import types

from cliff import command
from cliff import sphinxext
from openstack import config

project = 'nova-trove-guard'
copyright = 'the contributors to nova-trove-guard'

extensions = [
    'cliff.sphinxext',
    'oslo_config.sphinxext',
    'oslo_policy.sphinxext',
    'reno.sphinxext',
]
nitpicky = True
highlight_language = 'text'
# "--" is the beginning of an option.
smartquotes = False

html_theme = 'furo'
html_title = project
html_static_path = ['_static']
html_css_files = ['pages.css']
# sphinx-build -b man
man_pages = [
    ('reference/cli', 'nova-trove-guard',
     'install and operate nova-trove-guard', '', 1),
    ('reference/status', 'nova-trove-guard-status',
     'check whether Nova, Cinder and Neutron are ready', '', 1),
]

# What every command of cliff's has, or every client of OpenStack's.
autoprogram_cliff_application = 'nova-trove-guard'
autoprogram_cliff_app_dist_name = 'nova-trove-guard'
autoprogram_cliff_ignored = [
    '--help', '--format', '--column', '--noindent', '--prefix', '--quote',
    '--max-width', '--fit-width', '--print-empty', '--sort-column',
    '--sort-ascending', '--sort-descending']
_client = argparse.ArgumentParser(add_help=False)
config.OpenStackConfig().register_argparse_arguments(_client, [])
autoprogram_cliff_ignored += _client._option_string_actions

_init = command.Command.__init__


def _init_without_app(self, app, *args, **kwargs):
    # cliff's extension has no application for the commands, but those that
    # ask a cloud look into its arguments (nova_trove_guard.cmd.clouds).
    _init(self, app or types.SimpleNamespace(arguments=()), *args, **kwargs)


command.Command.__init__ = _init_without_app

_drop_ignored_options = (
    sphinxext.AutoprogramCliffDirective._drop_ignored_options)


def _drop_and_expand(self, parser, ignored):
    # cliff's extension shows "%(default)s" as it stands.
    _drop_ignored_options(self, parser, ignored)
    for action in parser._actions:
        if action.help:
            action.help = parser._get_formatter()._expand_help(action)


sphinxext.AutoprogramCliffDirective._drop_ignored_options = _drop_and_expand
