# SPDX-License-Identifier: Apache-2.0
"""The guard's oslo.policy rules, and their enforcement."""
