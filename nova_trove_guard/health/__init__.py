# SPDX-License-Identifier: Apache-2.0
"""Check whether the guard of an API process can judge, for load balancers.

Each module describes what the guard of one service depends on, and imports
that service. So load() imports only the module of the service in the process.
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

    :ivar enforcer: returns the enforcer of its rules
    :ivar lookup: returns its lookup, for the marker's key, metrics and a
        deadline
    :ivar kind: a kind of resource whose lookup takes one SQL statement
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
