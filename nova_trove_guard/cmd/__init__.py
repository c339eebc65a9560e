# SPDX-License-Identifier: Apache-2.0
"""The command lines: ``nova-trove-guard`` and ``nova-trove-guard-status``.

A command is a class of cliff's, named in the entry points
``nova_trove_guard.cli`` (shell). What it does stands in a module that knows no
command line: api-paste.ini in pipelines, on ini and files; the Trove admin's
accounts in accounts, and the configuration that goes with them in snippets.
"""
