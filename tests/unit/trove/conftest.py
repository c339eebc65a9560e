# SPDX-License-Identifier: Apache-2.0
"""Lets Trove's code into the process in which Nova's is tested, too.

Both register options of the same names with the one ConfigOpts of the
process: Trove's modules get one of their own.
"""

import importlib
from unittest import mock

from keystonemiddleware import opts as middleware_opts
from oslo_config import cfg
from oslo_db.sqlalchemy import enginefacade
import pytest

with mock.patch.object(cfg, 'CONF', cfg.ConfigOpts()) as conf:
    importlib.import_module('trove.taskmanager.manager')
# keystonemiddleware registers them when it is imported first, which may have
# been with the other ConfigOpts.
for group, options in middleware_opts.list_auth_token_opts():
    conf.register_opts(options, group)


@pytest.fixture(scope='session')
def trove_database(tmp_path_factory):
    """Connect Trove's code to an empty database."""
    from trove.db import get_db_api
    from trove.db.sqlalchemy import session

    url = f'sqlite:///{tmp_path_factory.mktemp("trove")}/trove.sqlite'
    database = enginefacade.transaction_context()
    database.configure(connection=url)
    session._FACADE = database.writer
    get_db_api().db_sync({'database': {'connection': url}})
    session.configure_db()
    yield
    session._FACADE = None
