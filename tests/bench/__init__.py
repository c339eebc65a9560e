# SPDX-License-Identifier: Apache-2.0
"""What the guard costs, next to what else a call costs."""
