# SPDX-License-Identifier: Apache-2.0
"""Look up the resources that a request names, with few SQL statements.

Without that, a caller could make the guard work harder than the service: a
request can name thousands of resources, and the service stops at the first one
that does not exist.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
import itertools
import operator
import typing

from nova_trove_guard.core import calls
from nova_trove_guard.core import services

# The most identifiers in one statement. From 1000 on, MariaDB converts them
# into a table (in_predicate_conversion_threshold).
BATCH_SIZE = 500

# Returns the resources to which some identifiers of a kind lead, in one set.
LookUp: typing.TypeAlias = Callable[[str, list[str]], services.Found]


def find(named: Collection[calls.Named], look_up: LookUp,
         ) -> Iterator[tuple[calls.Named, services.Found]]:
    """Yield the identifiers in a request, each with the resources it leads to.

    All identifiers in one place of the request are looked up together. If
    there are several, one that leads to nothing managed is yielded with no
    resources, whether it exists or not: the service checks that.
    """
    for _, there in itertools.groupby(
            named, operator.attrgetter('target')):
        together = list(there)
        for start in range(0, len(together), BATCH_SIZE):
            yield from _find(together[start:start + BATCH_SIZE], look_up)


def _find(together: Sequence[calls.Named], look_up: LookUp,
          ) -> Iterator[tuple[calls.Named, services.Found]]:
    """Yield the identifiers in one place, each with the resources it leads to.

    If any leads to a managed resource, each half is looked up again, until it
    is known which one. Only the database knows, as it may accept several
    spellings of the same identifier.
    """
    identifiers = [each.identifier for each in together
                   if each.identifier is not None]
    found: services.Found = () if not identifiers else look_up(
        together[0].target.kind, identifiers)
    if len(together) == 1:
        yield together[0], found
    elif not any(found):
        for each in together:
            yield each, ()
    else:
        middle = len(together) // 2
        yield from _find(together[:middle], look_up)
        yield from _find(together[middle:], look_up)
