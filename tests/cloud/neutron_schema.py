# SPDX-License-Identifier: Apache-2.0
"""Create Neutron's database: ``neutron_schema.py URL``.

Neutron's migrations do not run on SQLite, so the tables are created from its
models.
"""

import sys

from neutron.db.migration.models import head
import sqlalchemy


def main():
    """Create the tables in the database of the command line."""
    url, = sys.argv[1:]
    head.get_metadata().create_all(sqlalchemy.create_engine(url))


if __name__ == '__main__':
    main()
