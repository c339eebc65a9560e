# SPDX-License-Identifier: Apache-2.0
"""The resources of a service that Trove manages."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class ManagedResource:
    """A server, volume, port or security group that is managed.

    :ivar kind: what it is, such as ``server``
    :ivar id: its id, as in the service's database
    :ivar project_id: the project that owns it in the service
    :ivar user_id: the user who created it
    :ivar database_instance: the id of the database instance (the marker's
        value, which may be empty)
    :ivar shown_to: other projects to which the service shows it
    """

    kind: str
    id: str
    project_id: str
    user_id: str
    database_instance: str
    shown_to: frozenset[str] = frozenset()

    def is_seen_by(self, project_id: str | None) -> bool:
        """Return whether the service shows the resource to a project."""
        return project_id == self.project_id or project_id in self.shown_to
