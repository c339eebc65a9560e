# SPDX-License-Identifier: Apache-2.0
"""Requests as bytes, sent as they are."""

import http.client
import socket
import urllib.parse

SECONDS = 60


def send(url, request):
    """Send bytes to a server, and read until it hangs up.

    :param url: the server's URL, of which the path does not matter
    :param request: the bytes of a request, whole or not
    :returns: (status, body) of the first answer, or None where there is none
    """
    to = urllib.parse.urlsplit(url)
    with socket.create_connection((to.hostname, to.port), SECONDS) as wire:
        try:
            wire.sendall(request)
            # Whoever waits for more gets to know that there is none.
            wire.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # answered, and hung up on, before the end
        try:
            answer = http.client.HTTPResponse(wire)
            answer.begin()
            body = answer.read()
            # What came after it may have been answered as well.
            while wire.recv(65536):
                pass
        except (http.client.HTTPException, ConnectionError):
            return None
        return answer.status, body


def request(method, target, *headers, body=b'', length=True):
    """Return the bytes of a request that asks to hang up afterwards.

    :param headers: header lines (str)
    :param length: whether to tell the length of the body
    """
    lines = [f'{method} {target} HTTP/1.1', 'Host: localhost',
             'Connection: close', *headers]
    if body and length:
        lines.append(f'Content-Length: {len(body)}')
    return '\r\n'.join((*lines, '', '')).encode('latin-1') + body


def chunked(body, size=3, trailers=''):
    """Return a body as chunks of a size, and trailers behind them."""
    parts = [body[start:start + size] for start in range(0, len(body), size)]
    return (b''.join(b'%x\r\n%s\r\n' % (len(part), part) for part in parts) +
            b'0\r\n' + trailers.encode() + b'\r\n')


_NEVER_PLAIN = {chr(code) for code in (*range(33), 127, *b'%?#')}


def from_environ(environ, body):
    """Return the bytes of which a server makes a WSGI environ.

    :param environ: dict, see tests.unit.requests
    :param body: bytes
    """
    target = ''.join(
        f'%{ord(char):02X}' if char in _NEVER_PLAIN else char
        for char in environ['PATH_INFO'])
    if environ['QUERY_STRING']:
        target += '?' + environ['QUERY_STRING']
    headers = [f'{name.replace("HTTP_", "", 1).replace("_", "-")}: {value}'
               for name, value in environ.items()
               if name.startswith(('HTTP_', 'CONTENT_'))
               and name != 'HTTP_HOST']
    if 'HTTP_TRANSFER_ENCODING' in environ:
        body = chunked(body, 7)
    return request(environ['REQUEST_METHOD'], target, *headers, body=body,
                   length=False)
