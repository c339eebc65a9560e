# SPDX-License-Identifier: Apache-2.0
"""The guard, without anything of a service."""
