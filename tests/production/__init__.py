# SPDX-License-Identifier: Apache-2.0
"""Tests that need a server from the distribution: MariaDB."""
