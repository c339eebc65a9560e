# SPDX-License-Identifier: Apache-2.0
"""The commands ``nova-trove-guard`` and ``nova-trove-guard-status``.

Each command of ``nova-trove-guard`` is a class of cliff with an entry point in
the group ``nova_trove_guard.cli`` (see shell). What it does is in modules that
do not depend on the command line, such as pipelines for api-paste.ini, and
accounts for Keystone.
"""
