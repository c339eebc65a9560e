# SPDX-License-Identifier: Apache-2.0
"""Trove's side: lock its servers in Nova, and unlock them for operations.

Plugged into an unmodified Trove by trove.conf::

    [DEFAULT]
    taskmanager_manager = nova_trove_guard.trove.taskmanager.Manager
    remote_nova_client = nova_trove_guard.trove.client.nova_client

    [trove_guard]
    trove_managed_instances = true

A call's way: an operation of the task manager (taskmanager) - a call of its
Nova client (client, sessions) - the window that it needs (windows) - the lock
in Nova (compute). The reconciler locks what a crash left unlocked.
"""
