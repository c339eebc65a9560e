# SPDX-License-Identifier: Apache-2.0
"""The Trove deployments, and the differences between them."""

import dataclasses

from tests.cloud import state


@dataclasses.dataclass(frozen=True)
class Deployment:
    """A Trove with its own database.

    :ivar name: its name, and that of its first process, database and log
    :ivar region: the region of its endpoint, and of the Nova, Cinder, Neutron
        and Glance that it uses
    :ivar management: whether servers have a port in the management network
    :ivar settings: more values for its trove.conf, by name in the template
    """

    name: str
    region: str
    management: bool
    settings: dict[str, str]


DEPLOYMENTS = (
    # Trove's default: servers are in Trove's own project.
    Deployment('trove', state.GUARDED, management=True, settings={
        'server_owner': 'trove',
        'online_volume_resize': 'true',
    }),
    # Servers are in the user's project, which has no management network.
    Deployment('trove-user', state.USER, management=False, settings={
        'server_owner': 'user',
        'online_volume_resize': 'false',
    }),
)
