# SPDX-License-Identifier: Apache-2.0
"""A real cloud on one machine, from Python packages alone.

Keystone, Placement, Glance, Neutron, Cinder, Nova and Trove run as ordinary
processes on 127.0.0.1 with SQLite, in-process message buses, Nova's fake
hypervisor, Cinder's fake driver and guests that only claim to have databases.
Nova and Cinder serve two endpoints each over the same databases: a guarded
one in the regions RegionOne and RegionUser, and a stock one in
RegionUnguarded. Nova itself calls the guarded Cinder, and Cinder the guarded
Nova.
Trove runs twice: in RegionOne its servers are in its own project, in
RegionUser in the users'.

``python3 -m tests.cloud`` is for people, ``tests.cloud.state`` for tests.
"""
