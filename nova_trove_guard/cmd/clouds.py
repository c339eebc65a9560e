# SPDX-License-Identifier: Apache-2.0
"""Commands that connect to a cloud, with the options of all clients."""

import argparse

from cliff import command
import openstack
from osc_lib.cli import client_config

from nova_trove_guard.cmd import shell


class Command(command.Command):
    """A command that connects to a cloud.

    It takes clouds.yaml, OS_* variables and keystoneauth1's options, with the
    precedence that they have for ``openstack``: an option on the command line
    takes precedence over the cloud that OS_CLOUD names.
    """

    app: shell.Shell

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        self._config = client_config.OSC_Config()
        self._options = argparse.ArgumentParser(add_help=False)
        for each in (parser, self._options):
            self._config.register_argparse_arguments(
                each, list(self.app.arguments))
        return parser

    def connect(self, parsed_args: argparse.Namespace
                ) -> openstack.connection.Connection:
        """Return a connection; no request is sent yet."""
        # openstacksdk takes any option for one of its own, and text in braces
        # for the name of another.
        options = argparse.Namespace(**{
            name: getattr(parsed_args, name)
            for name in vars(self._options.parse_args([]))})
        return openstack.connection.Connection(
            config=self._config.get_one(argparse=options),
            app_name='nova-trove-guard')
