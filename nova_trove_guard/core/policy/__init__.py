# SPDX-License-Identifier: Apache-2.0
"""Who may do what: oslo.policy's rules of the guard, and their judges."""
