# SPDX-License-Identifier: Apache-2.0
"""What Trove manages in a service."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class ManagedResource:
    """A server, or the like in another service, that carries the marker.

    :ivar kind: what it is, such as ``server``
    :ivar id: its id, as the service's database has it
    :ivar project_id: the project that owns it in the service
    :ivar user_id: the user who asked the service for it
    :ivar database_instance: the id of the database instance (the marker's
        value, which may be empty)
    :ivar shown_to: other projects that the service shows it to
    """

    kind: str
    id: str
    project_id: str
    user_id: str
    database_instance: str
    shown_to: frozenset[str] = frozenset()

    def is_seen_by(self, project_id: str | None) -> bool:
        """Return whether the service shows it to a project."""
        return project_id == self.project_id or project_id in self.shown_to
