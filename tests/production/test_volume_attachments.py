# SPDX-License-Identifier: Apache-2.0
"""Attachments of volumes, with Cinder's database on MariaDB."""

# Before the tests, which import Cinder.
from tests.unit.cinder import loading  # noqa: F401
from tests.unit.cinder import test_attachments

# All tests and fixtures of the unit tests; only the database is another.
globals().update({
    name: value for name, value in vars(test_attachments).items()
    if name.startswith('test_') or name in ('servers', 'attachment')})
