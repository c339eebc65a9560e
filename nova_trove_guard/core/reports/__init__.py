# SPDX-License-Identifier: Apache-2.0
"""What the guard reports: a log line, a CADF event, metrics."""
