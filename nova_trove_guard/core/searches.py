# SPDX-License-Identifier: Apache-2.0
"""Look up what a request names with few statements, however much it names.

A caller could name thousands, while the service gives up at the first that is
not there.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
import itertools
import operator
import typing

from nova_trove_guard.core import calls
from nova_trove_guard.core import services

# How many identifiers a statement has at most: from 1000 on, MariaDB makes a
# table of them (in_predicate_conversion_threshold).
AT_A_TIME = 500

# Return what some identifiers of a kind lead to, all together.
LookUp: typing.TypeAlias = Callable[[str, list[str]], services.Found]


def find(named: Collection[calls.Named], look_up: LookUp,
         ) -> Iterator[tuple[calls.Named, services.Found]]:
    """Yield what a request names, with what it leads to.

    What stands in one place of the request is looked up at once. Of several
    there, what is not managed leads to nothing: the service decides what must
    exist.
    """
    for _, there in itertools.groupby(
            named, operator.attrgetter('target')):
        together = list(there)
        for start in range(0, len(together), AT_A_TIME):
            yield from _find(together[start:start + AT_A_TIME], look_up)


def _find(together: Sequence[calls.Named], look_up: LookUp,
          ) -> Iterator[tuple[calls.Named, services.Found]]:
    """Yield what stands in one place of a request, with what it leads to.

    If something managed is among them, each half of them is looked up again,
    until it is known which one leads to it. Only the database knows: it may
    take other spellings for the same identifier.
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
