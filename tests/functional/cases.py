# SPDX-License-Identifier: Apache-2.0
"""Operations in which something goes wrong."""

import dataclasses


def guest(effect='error', **calls):
    """Return the fault of calls of the guest."""
    return {'guest': dict.fromkeys(calls, effect)}


def api(service, method='POST', path='', action=None, effect=500):
    """Return the fault of a call of a service's API."""
    entry = {'method': method, 'path': path, 'effect': effect}
    return {service: [entry | ({'action': action} if action else {})]}


def nova(action=None, **entry):
    """Return the fault of a call of Nova's API, as api() takes it."""
    return api('nova', action=action, **entry)


def cinder(action):
    """Return the fault of an action of Cinder's API."""
    return api('cinder', action=action)


def hypervisor(**calls):
    """Return the fault of calls of Nova's hypervisor, which fail."""
    return {'hypervisor': dict.fromkeys(calls, 'error')}


@dataclasses.dataclass(frozen=True)
class Case:
    """An operation in which something happens.

    :ivar operation: a function or class that begins it
    :ivar faults: what happens, as state.Cloud.faults() takes it
    :ivar deployment: of which Trove
    """

    operation: object
    faults: dict
    deployment: str = 'trove-user'

    def __str__(self):
        return f'{self.deployment} {self.operation.__name__} {self.faults}'
