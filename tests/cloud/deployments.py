# SPDX-License-Identifier: Apache-2.0
"""The Trove deployments: what differs between them."""

import dataclasses

from tests.cloud import state


@dataclasses.dataclass(frozen=True)
class Deployment:
    """A Trove with a database of its own.

    :ivar name: also names its first process, its database and its log
    :ivar region: where its endpoint stands, and whose Nova, Cinder, Neutron
        and Glance it uses
    :ivar management: whether servers have a port in the management network
    :ivar settings: what else its trove.conf says, by name in the template
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
    # Servers are in the user's project, where no management network is.
    Deployment('trove-user', state.USER, management=False, settings={
        'server_owner': 'user',
        'online_volume_resize': 'false',
    }),
)
