# SPDX-License-Identifier: Apache-2.0
"""Keeps tenants' hands off the Nova servers that Trove runs for them."""
