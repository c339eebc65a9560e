# SPDX-License-Identifier: Apache-2.0
"""Protect the servers, volumes and ports that Trove owns."""
