# SPDX-License-Identifier: Apache-2.0
"""Redact lists of attachments, and confirm attachments of managed volumes.

An attachment contains the connection information of its volume, with
credentials. Any host that has it can read the volume.
"""

from collections.abc import Callable
import typing

from cinder.compute import nova
from cinder import exception
from oslo_serialization import jsonutils

from nova_trove_guard.cinder import lookup
from nova_trove_guard.cinder import operations
from nova_trove_guard.core import calls
from nova_trove_guard.core import deadline
from nova_trove_guard.core import documents
from nova_trove_guard.core import resources


class ConnectionRedactor:
    """Remove the connection information of managed volumes from a list.

    The list is that of cinder.api.v3.views.attachments.ViewBuilder.list. An
    empty dict replaces the information, as in an attachment that has no
    connection yet.

    :param volumes: finds out which volumes are managed
    """

    def __init__(self, volumes: lookup.CinderLookup) -> None:
        self._volumes = volumes

    def __call__(self, content: bytes, may_show: Callable[
            [resources.ManagedResource], bool]) -> bytes:
        """Redact the list: see nova_trove_guard.core.services.Redactor."""
        document = jsonutils.loads(content)
        attachments = document['attachments']
        managed = self._volumes.managed(
            {attachment['volume_id'] for attachment in attachments})
        hidden = {volume_id for volume_id, volume in managed.items()
                  if not may_show(volume)}
        if not hidden:
            return content
        for attachment in attachments:
            if attachment['volume_id'] in hidden:
                attachment['connection_info'] = {}
        redacted: bytes = jsonutils.dump_as_bytes(document)
        return redacted


class ServerProof:
    """Confirm that a volume is attached to its own server.

    Nova attaches a volume to any server that a tenant names, and sends its
    service token for that. So the guard asks Nova whether that server is
    managed, and has the marker of the same database instance.

    :param metadata_key: the marker
    :param volumes: finds the server of an attachment
    :param bound: limits how long the guard waits for Nova
    """

    def __init__(self, metadata_key: str, volumes: lookup.CinderLookup,
                 bound: deadline.Deadline) -> None:
        self._metadata_key = metadata_key
        self._volumes = volumes
        self._bound = bound

    def confirm(self, call: calls.Call, volume: resources.ManagedResource,
                environ: documents.Environ) -> bool:
        """Return whether an attachment is for the volume's own server.

        :raises Exception: if Nova does not respond
        """
        is_new = call.operation is operations.ATTACHMENT_CREATE
        server_id = calls.canonical_id(
            _asked(call, 'instance_uuid') if is_new else
            self._volumes.server_of_attachment(call.identifier))
        if server_id is None:
            return False
        try:
            server = self._bound.start().call(
                'nova', nova.API().get_server, environ['cinder.context'],
                server_id, privileged_user=True, timeout=deadline.SECONDS)
        except exception.ServerNotFound:
            # Nova reserves the volumes of a server before it creates the
            # server (nova.compute.api.API._provision_instances). Without a
            # connector this makes no connection yet. The call that makes it
            # (attachment_update) needs a proof of its own.
            return is_new and not _asked(call, 'connector')
        marker = server.metadata.get(self._metadata_key)
        return bool(marker) and marker == volume.database_instance


def _asked(call: calls.Call, name: str) -> typing.Any:
    """Return an attribute of a request for an attachment, None for none."""
    try:
        attachment, = documents.values_at(call.document, ('attachment',), dict)
    except documents.Unreadable:
        return None
    return attachment.get(name)
