# SPDX-License-Identifier: Apache-2.0
"""A session that retries calls to services that are too busy."""

from collections import abc
import datetime
import email.utils
import typing

from keystoneauth1 import exceptions
from keystoneauth1 import session as sessions
import tenacity

from nova_trove_guard.cmd import clouds
from nova_trove_guard.cmd.drift import progress_bar
from nova_trove_guard.cmd import outcome

TOO_BUSY = frozenset((429, 503))
ATTEMPTS = 8
LONGEST_PAUSE = 300  # seconds
_BACK_OFF = tenacity.wait_random_exponential(multiplier=0.5, max=30)


class Response(typing.Protocol):
    """The part of a requests.Response that retries need."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> abc.Mapping[str, str]: ...


class PatientSession(clouds.Session):
    """A session that retries calls when a service is busy or unreachable.

    Use it only for calls that are safe to repeat.

    :param behind: the session whose credentials and settings it uses
    :param progress: where it shows that it waits, and for how long
    """

    def __init__(self, behind: sessions.Session,
                 progress: progress_bar.Progress) -> None:
        super().__init__(
            auth=behind.auth, session=behind.session, verify=behind.verify,
            cert=behind.cert, timeout=behind.timeout,
            app_name=behind.app_name, app_version=behind.app_version,
            additional_headers=behind.additional_headers)
        self._progress = progress

    def request(self, url: str, method: str, *args: typing.Any,
                **kwargs: typing.Any) -> typing.Any:
        """Send a request, as keystoneauth1.session.Session does."""
        raise_exc = kwargs.pop('raise_exc', True)
        response = tenacity.Retrying(
            retry=(tenacity.retry_if_result(is_too_busy) |
                   tenacity.retry_if_exception_type(outcome.Unavailable)),
            wait=pause,
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            before_sleep=self._show,
            # After the last attempt: its response or its exception.
            retry_error_callback=lambda state: _outcome(state).result(),
        )(super().request, url, method, *args, raise_exc=False, **kwargs)
        if raise_exc and response.status_code >= 400:
            raise exceptions.from_response(response, method, url)
        return response

    def _show(self, state: tenacity.RetryCallState) -> None:
        """Show why there is a pause, and how long it is."""
        last = _outcome(state)
        if last.failed:
            reason = str(last.exception())
        else:
            response = last.result()
            reason = f'HTTP {response.status_code} from {response.url}'
        self._progress.waiting(
            f'{reason}: waiting for {state.upcoming_sleep:.0f} s (attempt '
            f'{state.attempt_number} of {ATTEMPTS})', state.upcoming_sleep)


def is_too_busy(response: Response) -> bool:
    """Return whether a response asks the client to retry."""
    return response.status_code in TOO_BUSY


def pause(state: tenacity.RetryCallState) -> float:
    """Return how many seconds to wait: at least what Retry-After says."""
    seconds: float = _BACK_OFF(state)
    if not _outcome(state).failed:
        seconds += asked_for(_outcome(state).result().headers)
    return min(seconds, LONGEST_PAUSE)


def _outcome(state: tenacity.RetryCallState) -> tenacity.Future:
    # It is None only before the first attempt.
    return typing.cast(tenacity.Future, state.outcome)


def asked_for(headers: abc.Mapping[str, str]) -> float:
    """Return the seconds that a Retry-After header asks for, 0 for none.

    :param headers: Retry-After is a number or a date (RFC 9110)
    """
    text = headers.get('Retry-After', '')
    try:
        return max(0, int(text))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    left = moment - datetime.datetime.now(datetime.UTC)
    return max(0, left.total_seconds())
