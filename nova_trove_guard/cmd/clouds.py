# SPDX-License-Identifier: Apache-2.0
"""Commands that ask a cloud, with the options that all clients have."""

import argparse

import openstack
from osc_lib.cli import client_config


class Command:
    """Mixed into a command of cliff's, gives it a connection.

    It takes clouds.yaml, OS_* variables and keystoneauth1's options, with the
    precedence that they have for ``openstack``: what stands on the command
    line wins over the cloud that OS_CLOUD names.
    """

    def get_parser(self, prog_name):
        """Add the options."""
        parser = super().get_parser(prog_name)
        self._config = client_config.OSC_Config()
        self._options = argparse.ArgumentParser(add_help=False)
        for each in (parser, self._options):
            self._config.register_argparse_arguments(
                each, list(self.app.arguments))
        return parser

    def connect(self, parsed_args):
        """Return an openstack.connection.Connection; nothing is asked yet."""
        # It takes any option for one of its own, and what stands in braces
        # for the name of another.
        options = argparse.Namespace(**{
            name: getattr(parsed_args, name)
            for name in vars(self._options.parse_args([]))})
        return openstack.connection.Connection(
            config=self._config.get_one(argparse=options),
            app_name='nova-trove-guard')
