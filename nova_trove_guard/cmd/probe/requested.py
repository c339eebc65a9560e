# SPDX-License-Identifier: Apache-2.0
"""What probe sends to each service, and the responses to it.

The request writes the marker. Only the Trove admin may do that: a guard
refuses it to anyone else, for any resource, before any lookup
(nova_trove_guard.core.guard.TroveGuard). Without a guard it changes nothing,
for two reasons, either of which is enough:

* The resource does not exist: no service creates such an id.
* The service rejects the body with 400, at each microversion and for each
  role, before it looks for the resource. A metadata value is not a string,
  which a JSON schema refuses (nova.api.openstack.compute.server_metadata,
  cinder.api.v3.volume_metadata); a tag is not a string, which validate_tags
  refuses (neutron.extensions.tagging).
"""

from collections.abc import Callable, Mapping
import dataclasses
import typing
import uuid

from nova_trove_guard.core import documents
from nova_trove_guard.core import faults
from nova_trove_guard.core import marker
from nova_trove_guard.neutron import tags

# "trove_guardprobe" in ASCII. Services create random UUIDs (RFC 9562, version
# 4), and this is not one. Operators recognize probes in logs by it.
PROBE_ID = str(uuid.UUID(bytes=b'trove_guardprobe'))
HEADERS = {
    # oslo.middleware takes it as the global request id, which oslo.log writes
    # into each line about the request.
    'X-OpenStack-Request-ID': f'req-{PROBE_ID}',
    'Accept': 'application/json',
    'Accept-Encoding': 'identity',
}


@dataclasses.dataclass(frozen=True, slots=True)
class ProbedService:
    """How to probe a service.

    :ivar name: the service's name
    :ivar service_type: its type in Keystone's catalog
    :ivar versions: the versions of its API that a URL may name; the first is
        for a URL that names none
    :ivar method: the request's method
    :ivar path: the request's path, below the version
    :ivar body: returns the request's body, for a marker
    :ivar kind: the kind of resource, in the guard's message
    :ivar form: the form of the marker, in the guard's message
    :ivar refusal: the keys that lead to the message of a 403
    :ivar rejection: the keys that lead to the message of a 400
    """

    name: str
    service_type: str
    versions: tuple[str, ...]
    method: str
    path: str
    body: Callable[[str], typing.Any]
    kind: str
    form: str
    refusal: documents.Keys
    rejection: documents.Keys

    def refusal_message(self, metadata_key: str) -> str:
        """Return the message of the guard's 403."""
        return str(faults.marker_forbidden(
            self.kind, self.form, metadata_key).explanation)


def _metadata(metadata_key: str) -> typing.Any:
    return {'metadata': {metadata_key: {}}}


def _tags(metadata_key: str) -> typing.Any:
    return {'tags': [f'{tags.prefix(metadata_key)}{PROBE_ID}', 0]}


# By service type, as in OpenStack's clients: see
# nova_trove_guard.cmd.wings.PACKAGES.
SERVICES: Mapping[str, ProbedService] = {
    'compute': ProbedService(
        'Nova', 'compute', ('v2.1', 'v2'),
        'POST', f'/servers/{PROBE_ID}/metadata', _metadata,
        'server', marker.WritesMetadata.form,
        ('forbidden', 'message'), ('badRequest', 'message')),
    'volume': ProbedService(
        'Cinder', 'block-storage', ('v3',),
        'POST', f'/volumes/{PROBE_ID}/metadata', _metadata,
        'volume', marker.WritesMetadata.form,
        ('forbidden', 'message'), ('badRequest', 'message')),
    'network': ProbedService(
        'Neutron', 'network', ('v2.0',),
        'PUT', f'/ports/{PROBE_ID}/tags', _tags,
        'resource', tags.WritesTags.form,
        ('NeutronError', 'message'), ('NeutronError', 'message')),
}
