# SPDX-License-Identifier: Apache-2.0
"""Nova's fake hypervisor, with servers that outlive nova-compute."""

import pathlib
import uuid

from nova.compute import vm_states
from nova import context
from nova import objects
from nova.virt import fake
from nova.virt import node
from oslo_config import cfg

# What has not been built, or is no more, does not run.
ABSENT = frozenset((vm_states.BUILDING, vm_states.DELETED,
                    vm_states.SOFT_DELETED, vm_states.SHELVED_OFFLOADED))


def outlive():
    """Have compute hosts and their servers outlive nova-compute.

    The fake hypervisor has both in the memory of the process, and no identity
    in a file. Without this, nova-compute refuses to start a second time.
    """
    init_host = fake.FakeDriver.init_host

    def init_again(driver, host):
        pathlib.Path(cfg.CONF.state_path).mkdir(exist_ok=True)
        node.get_local_node_uuid()
        # Of which the driver makes new ones in each process.
        setattr(fake.uuids, f'node_{host}',
                str(uuid.uuid5(uuid.NAMESPACE_DNS, host)))
        init_host(driver, host)
        for server in objects.InstanceList.get_by_host(
                context.get_admin_context(), host):
            if server.vm_state not in ABSENT:
                driver.instances[server.uuid] = fake.FakeInstance(
                    server.name, server.power_state, server.uuid)

    fake.FakeDriver.init_host = init_again
