# SPDX-License-Identifier: Apache-2.0
"""Requests as data, and what fills them in."""

import dataclasses
import string


@dataclasses.dataclass(frozen=True)
class Row:
    """A request that asks for an operation.

    :ivar operation: the name of a nova_trove_guard.core.calls.Operation
    :ivar method: the HTTP method
    :ivar path: the path behind the version
    :ivar body: the JSON body, None for no body
    :ivar since: the first microversion with which the service takes it so
    :ivar until: the last one, None where the service still takes it
    :ivar dispatches: the method of the service's controller, None where the
        service itself knows of no such call
    """

    operation: str
    method: str
    path: str
    body: dict | None = None
    since: str = '2.1'
    until: str | None = None
    dispatches: str | None = None

    def __str__(self):
        action = (next(iter(self.body))
                  if self.body and self.path.endswith('/action') else '')
        return (f'{self.method}{self.path}{action and " "}{action}'
                .replace('$', ''))


class Facts:
    """What stands for the names with a $ in requests: attributes.

    Each is looked up, or made, when a request asks for it.
    """

    def fill_in(self, document):
        """Return a text, or nested dicts and lists of texts, filled in."""
        if isinstance(document, dict):
            return {key: self.fill_in(value)
                    for key, value in document.items()}
        if isinstance(document, list):
            return [self.fill_in(item) for item in document]
        if isinstance(document, str):
            return string.Template(document).substitute(self)
        return document

    def __getitem__(self, name):
        return getattr(self, name)
