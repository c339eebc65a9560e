# SPDX-License-Identifier: Apache-2.0
"""``nova-trove-guard complete``: a completion script for bash."""

import typing

from cliff import complete

# cliff's script calls a function of the package bash-completion.
_WORDS = '  _get_comp_words_by_ref -n : cur prev words\n'
_WORDS_ANYWHERE = '''\
  if declare -F _get_comp_words_by_ref > /dev/null; then
    _get_comp_words_by_ref -n : cur prev words
  else
    cur=${COMP_WORDS[COMP_CWORD]}
    words=("${COMP_WORDS[@]}")
  fi
'''


class CompleteBash(complete.CompleteBash):
    """A script that also works without the package bash-completion."""

    def get_header(self) -> str:
        """Return the beginning of the script."""
        header: str = super().get_header()
        return header.replace(_WORDS, _WORDS_ANYWHERE)


class Complete(complete.CompleteCommand):
    """Print a script that completes commands and options in bash.

    Use it with: source <(nova-trove-guard complete)
    """

    def __init__(self, *args: typing.Any, **kwargs: typing.Any) -> None:
        super().__init__(*args, **kwargs)
        self._formatters['bash'].plugin = CompleteBash
