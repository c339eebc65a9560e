# SPDX-License-Identifier: Apache-2.0
"""Trove's side: lock its servers in Nova, and unlock them for operations.

An unmodified Trove loads it with these lines in trove.conf::

    [DEFAULT]
    taskmanager_manager = nova_trove_guard.trove.taskmanager.Manager
    remote_nova_client = nova_trove_guard.trove.client.nova_client

    [trove_guard]
    trove_managed_instances = true

1. The task manager runs an operation (taskmanager).
2. The operation calls Nova with its client (client, sessions).
3. Before a call that changes a server, it opens a window (windows).
4. The window unlocks the server in Nova, and locks it at the end (compute).

The reconciler locks servers that a crash left unlocked.
"""
