# SPDX-License-Identifier: Apache-2.0
"""Trove's side: it owns a lock on its servers, and opens windows in it.

Plugged into an unmodified Trove by trove.conf::

    [DEFAULT]
    taskmanager_manager = nova_trove_guard.trove.taskmanager.Manager
    remote_nova_client = nova_trove_guard.trove.client.nova_client

    [trove_guard]
    trove_managed_instances = true

A call's way: an operation of the task manager (taskmanager) - a call of its
Nova client (client) - the window that it needs (windows), shared with other
operations and task managers (shares) - the lock in Nova (compute).
"""
