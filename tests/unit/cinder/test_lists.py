# SPDX-License-Identifier: Apache-2.0
"""What ``drift`` knows of the installed Cinder's lists of volumes.

tests.unit.drift_cloud simulates the same.
"""

import webob

from nova_trove_guard.cinder import lookup
from tests.unit.cinder import cinder_api

ADMIN = ('admin', 'member', 'reader')


def listed(cinder, query, version, **who):
    """Return Cinder's answer to a list of volumes."""
    request = webob.Request.blank(f'/volumes{query}',
                                  base_url='http://localhost/v3')
    return webob.Request(request.environ | cinder_api.principal(**who) | {
        'HTTP_OPENSTACK_API_VERSION': f'volume {version}',
    }).get_response(cinder.unguarded)


def test_only_an_admin_can_filter_by_host(cinder):
    """So it is told whether all_tenants is heeded."""
    query = '?all_tenants=1&limit=1&host=none'
    assert listed(cinder, query, '3.31', roles=ADMIN).json == {'volumes': []}
    refused = listed(cinder, query, '3.31')
    assert refused.status_code == 400
    assert 'host' in refused.json['badRequest']['message']
    # Without a filter nothing is said of it.
    assert listed(cinder, '?all_tenants=1', '3.31').status_code == 200


def test_no_list_goes_on_from_a_deleted_volume(cinder):
    def after(volume_id):
        return listed(
            cinder, f'?all_tenants=1&name=none&marker={volume_id}', '3.0',
            roles=ADMIN).status_code

    there = '0c1d2a3f-1111-4111-8111-000000000000'
    cinder_api.add(
        lookup.models.VolumeType, id='of lists', name='lists')
    cinder_api.add(
        lookup.models.Volume, id=there, volume_type_id='of lists')
    assert after(there) == 200
    assert after(cinder_api.ORPHANED['volume']) == 404
