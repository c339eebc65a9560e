# SPDX-License-Identifier: Apache-2.0
"""A real cloud on one machine, from Python packages alone.

Keystone, Placement, Glance, Neutron and Nova run as ordinary processes on
127.0.0.1 with SQLite, an in-process message bus and Nova's fake hypervisor.
Nova serves two Compute endpoints over the same databases: a guarded one in
the region RegionOne and a stock one in the region RegionUnguarded.

``python3 -m tests.cloud`` is for people, ``tests.cloud.state`` for tests.
"""
