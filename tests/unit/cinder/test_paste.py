# SPDX-License-Identifier: Apache-2.0
"""What ``nova-trove-guard paste insert`` makes, loaded as Cinder does."""

from unittest import mock

from cinder.api.middleware import auth
from oslo_config import cfg
from paste import deploy
import pytest

from nova_trove_guard.cinder import service
from nova_trove_guard.cmd.paste import pipelines
from nova_trove_guard.core import guard
from nova_trove_guard.core import options
from nova_trove_guard.core.reports import metrics
from tests.unit.cinder import loading
from tests.unit import pastes

# Where filters keep what is behind them.
BEHIND = ('_application', 'application', '_app')


def chain(application):
    """Yield an application and all that is behind it."""
    while application is not None:
        yield application
        application = next((getattr(application, name) for name in BEHIND
                            if hasattr(application, name)), None)


@pytest.mark.parametrize('has_rate_limit', [True, False])
def test_cinder_loads_the_guard_behind_keystonecontext(
        cinder, tmp_path, has_rate_limit):
    path = tmp_path / 'api-paste.ini'
    path.write_text(pipelines.insert(pastes.texts()['cinder']))
    conf = loading.conf
    conf.register_opts(options.GUARD_OPTS, options.GROUP)
    conf.set_override('trove_managed_instances', True, options.GROUP)
    conf.set_override('api_rate_limit', has_rate_limit)
    try:
        with mock.patch.object(cfg, 'CONF', conf), mock.patch.object(
                metrics, 'create', wraps=metrics.create) as create:
            filters = list(chain(deploy.loadapp(
                f'config:{path}', name='openstack_volume_api_v3')))
    finally:
        conf.clear_override('trove_managed_instances', options.GROUP)
        conf.clear_override('api_rate_limit')
    place, = (place for place, each in enumerate(filters)
              if isinstance(each, guard.TroveGuard))
    assert isinstance(filters[place]._service, service.CinderService)
    assert isinstance(filters[place - 1], auth.CinderKeystoneContext)
    assert isinstance(filters[place + 1], type(cinder.router))
    settings, = create.call_args.args
    assert settings.statsd_prefix == 'cinder.trove_guard'
