# SPDX-License-Identifier: Apache-2.0
"""The guard, independent of any service."""
