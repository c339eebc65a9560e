# SPDX-License-Identifier: Apache-2.0
"""Choose who gets the decisions: the log, and what an operator asks for."""

from oslo_config import cfg

from nova_trove_guard.core import decisions
from nova_trove_guard.core import options
from nova_trove_guard.core.reports import cadf
from nova_trove_guard.core.reports import log
from nova_trove_guard.core.reports import metrics


def create(conf: cfg.ConfigOpts, settings: options.Settings,
           measures: metrics.Metrics, resource_type: str,
           ) -> list[decisions.Observer]:
    """Return the observers that the options ask for.

    :param measures: count decisions, too
    :param resource_type: what the resources are, in CADF's taxonomy
    :raises Exception: where audit_transport_url means nothing to
        oslo.messaging, or where an extra of setup.cfg is missing
    """
    observers: list[decisions.Observer] = [log.report, *measures.observers]
    if settings.audit_transport_url is not None:
        observers.append(cadf.Bus(
            cadf.notifier(conf, settings), resource_type).report)
    return observers
