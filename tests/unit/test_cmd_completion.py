# SPDX-License-Identifier: Apache-2.0
"""The completion script, in a bash without the package bash-completion."""

import subprocess

import pytest

from nova_trove_guard.cmd import shell

# Prints what the function that the script registers makes of some words.
COMPLETE = '''\
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
registered=$(complete -p nova-trove-guard)
[[ $registered =~ -F\\ ([^ ]+) ]] && "${BASH_REMATCH[1]}"
printf '%s\\n' "${COMPREPLY[@]}"
'''


@pytest.fixture
def completions(tmp_path, capsys):
    """Return f(*words): the completions of the last word."""
    assert shell.main(['complete']) == 0
    script = tmp_path / 'completion'
    script.write_text(capsys.readouterr().out)

    def completions(*words, before=''):
        done = subprocess.run(
            ['bash', '--norc', '--noprofile', '-c', before + COMPLETE, 'bash',
             script, 'nova-trove-guard', *words], text=True,
            capture_output=True, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, '')
        return done.stdout.split()

    return completions


def test_bash_completes_commands_options_and_files(completions):
    assert completions('dr') == ['drift']
    assert completions('paste', '') == ['check', 'insert', 'remove']
    assert completions('drift', '--dry') == ['--dry-run']
    assert completions('paste', 'check', 'compl') == ['completion']


def test_bash_completion_is_used_where_it_is_installed(completions):
    before = '''\
_get_comp_words_by_ref() { cur=boot; words=(nova-trove-guard boot); }
'''
    assert completions('dr', before=before) == ['bootstrap']
