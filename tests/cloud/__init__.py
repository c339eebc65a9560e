# SPDX-License-Identifier: Apache-2.0
"""A real cloud on one machine, from Python packages alone.

Keystone, Placement, Glance, Neutron, Cinder, Nova and Trove run as ordinary
processes on 127.0.0.1, with SQLite, in-process message buses, Nova's fake
hypervisor, Cinder's fake driver and guest agents without databases.

Nova, Cinder and Neutron each serve two endpoints over the same database: a
guarded one in the regions RegionOne and RegionUser, and a stock one in
RegionUnguarded. Nova itself calls the guarded Cinder, and Cinder the guarded
Nova. Trove runs twice: in RegionOne its servers are in its own project, in
RegionUser in the users' projects.

People use ``python3 -m tests.cloud``, tests use ``tests.cloud.state``.
"""
