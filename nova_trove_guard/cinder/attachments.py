# SPDX-License-Identifier: Apache-2.0
"""Attachments: the list of them, and what proves one of a managed volume.

An attachment has the connection information of its volume, credentials
included: with that a host can read the volume.
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
    """Take the connection information of managed volumes out of a list.

    The list is that of cinder.api.v3.views.attachments.ViewBuilder.list. Where
    an attachment has no connection yet, an empty dict stands there, too.

    :param volumes: tells managed volumes from others
    """

    def __init__(self, volumes: lookup.CinderLookup) -> None:
        self._volumes = volumes

    def __call__(self, content: bytes, may_show: Callable[
            [resources.ManagedResource], bool]) -> bytes:
        """Return the list: see nova_trove_guard.core.services.Redactor."""
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

    Nova attaches a volume to whichever server a tenant names, and has a
    service token for it. So Nova is asked whether that server is managed, and
    for the same database instance.

    :param metadata_key: the marker
    :param volumes: knows for which server an attachment is
    :param bound: bounds the time that Nova has
    """

    def __init__(self, metadata_key: str, volumes: lookup.CinderLookup,
                 bound: deadline.Deadline) -> None:
        self._metadata_key = metadata_key
        self._volumes = volumes
        self._bound = bound

    def confirm(self, call: calls.Call, volume: resources.ManagedResource,
                environ: documents.Environ) -> bool:
        """Return whether an attachment is for the volume's own server.

        :raises Exception: whatever a Nova that can't be asked raises
        """
        is_new = call.operation is operations.ATTACHMENT_CREATE
        server_id = calls.canonical_id(
            _asked(call, 'instance_uuid') if is_new else
            self._volumes.server_of_attachment(call.identifier))
        if server_id is None:
            return False
        try:
            server = self._bound.call(
                nova.API().get_server, environ['cinder.context'], server_id,
                privileged_user=True, timeout=deadline.SECONDS)
        except exception.ServerNotFound:
            # Nova reserves the volumes of a server before it knows that
            # server (nova.compute.api.API._provision_instances). Without a
            # connector there is no connection yet: what makes it
            # (attachment_update) is to be confirmed in its turn.
            return is_new and not _asked(call, 'connector')
        marker = server.metadata.get(self._metadata_key)
        return bool(marker) and marker == volume.database_instance


def _asked(call: calls.Call, name: str) -> typing.Any:
    """Return what a request for an attachment says, None for nothing."""
    try:
        attachment, = documents.below(call.document, ('attachment',), dict)
    except documents.Unreadable:
        return None
    return attachment.get(name)
