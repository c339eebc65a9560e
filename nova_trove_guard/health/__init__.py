# SPDX-License-Identifier: Apache-2.0
"""Whether the guard of an API process can judge, for load balancers.

A module names what the guard of one service depends on. It imports the
service: load() imports it when it is known which service the process is of.
"""

from collections.abc import Callable
import dataclasses
import importlib

from oslo_config import cfg

from nova_trove_guard.core import deadline
from nova_trove_guard.core.policy import enforcement
from nova_trove_guard.core.reports import metrics
from nova_trove_guard.core import services


@dataclasses.dataclass(frozen=True, slots=True)
class Dependencies:
    """What the guard of a service depends on to judge.

    :ivar enforcer: returns what enforces its rules
    :ivar lookup: returns what looks resources up, by the marker's key, where
        that is measured, and the bound of its time
    :ivar kind: the kind of resource of which a lookup takes one statement
    """

    enforcer: Callable[[cfg.ConfigOpts], enforcement.Enforcer]
    lookup: Callable[[str, metrics.Metrics, deadline.Deadline],
                     services.Lookup]
    kind: str


def load(package: str) -> Dependencies:
    """Return what the guard of a service depends on.

    :param package: the service's Python package
    """
    found: Dependencies = importlib.import_module(
        f'{__name__}.{package}').DEPENDENCIES
    return found
