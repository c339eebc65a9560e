# SPDX-License-Identifier: Apache-2.0
"""Tests that need servers from the distribution: MariaDB, RabbitMQ."""
