# SPDX-License-Identifier: Apache-2.0
"""(9) What the guard in Neutron costs, next to Neutron itself."""

from concurrent import futures
import multiprocessing
import os
import tempfile

from tests.bench import cloud
from tests.bench import network_calls
from tests.production import mariadb


def run():
    """Return the Result."""
    # Neutron changes oslo.policy and SQLAlchemy for all in its process, and
    # has options where Nova has others of the same name.
    with (tempfile.TemporaryDirectory() as directory,
          futures.ProcessPoolExecutor(
              1, multiprocessing.get_context('spawn')) as process):
        return process.submit(
            network_calls.measured, directory, _url()).result()


def _url():
    """Return the URL of an empty database; None for one of SQLite."""
    directory = os.environ.get(cloud.MARIADB)
    return directory and mariadb.MariaDB(directory).create(
        'neutron', options='CHARACTER SET utf8mb4')
