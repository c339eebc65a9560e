# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard report``."""
