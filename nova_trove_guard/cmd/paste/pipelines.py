# SPDX-License-Identifier: Apache-2.0
"""The guard in the pipelines of an api-paste.ini: from text to text.

A pipeline is a line of filters with an application at its end: the option
``pipeline`` of a ``[pipeline:...]`` section, or one option for each way to
authenticate of a ``[composite:...]`` section that is Nova's own
(nova.api.auth.pipeline_factory_v21). The guard belongs into those that make
Nova's request context from what Keystone says, right after the filter that
does: mostly it is called keystonecontext, but it is known by its factory.
"""

import dataclasses
import enum
import re

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import ini

NAME = 'trove_guard'
SECTION = f'filter:{NAME}'
FACTORY = 'egg:nova-trove-guard#trove_guard'

# The options that say what a filter is.
_WHAT_IT_IS = ('use', 'paste.filter_factory')
_COMPOSITES = ('composite', 'composit')
_PIPELINE_FACTORY = re.compile(r'call:nova\.api\.auth:pipeline_factory\w*')
# Each role of a filter, by the factories that have it.
_GUARD = re.compile(r'egg:nova[-_]trove[-_]guard#trove_guard|'
                    r'nova_trove_guard\.core\.guard:filter_factory')
_CONTEXT = re.compile(r'nova\.api\.auth:NovaKeystoneContext\.factory')
_AUTHTOKEN = re.compile(r'keystone(middleware|client\.middleware|'
                        r'\.middleware)\.auth_token:filter_factory|'
                        r'egg:keystonemiddleware#auth_token')


class State(enum.StrEnum):
    """How it stands with the guard in a pipeline."""

    PRESENT = 'present'
    MISSING = 'missing'
    MISPLACED = 'wrong place'
    WITHOUT_CONTEXT = 'authtoken without keystonecontext'


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What is so in one place of the file.

    :ivar place: the section, and in a composite the option
    :ivar line: the number of the line, None for what isn't there
    :ivar state: State
    """

    place: str
    line: int | None
    state: State


def check(text):
    """Look where the guard is.

    :param text: of an api-paste.ini
    :returns: list of Finding: one for each pipeline that needs the guard or
        has it, and one for its own section
    :raises outcome.Refused: for a file that is not understood
    """
    layout = _Layout(text)
    findings = [
        Finding(pipeline.place, pipeline.line, state)
        for pipeline in layout.pipelines
        if (state := layout.state(pipeline)) is not None]
    section = layout.guard_section
    if section is None:
        return [*findings, Finding(SECTION, None, State.MISSING)]
    return [*findings, Finding(
        section.name, ini.line_number(text, section.start), State.PRESENT)]


def are_ok(findings):
    """Return whether the guard is wherever it must be."""
    return all(finding.state is State.PRESENT for finding in findings)


def insert(text):
    """Put the guard into every pipeline that needs it.

    :param text: of an api-paste.ini
    :returns: the new text; the same where nothing is missing
    :raises outcome.Refused: for a file that is not understood
    """
    layout = _Layout(text)
    edits = []
    for pipeline in layout.pipelines:
        state = layout.state(pipeline)
        if state in (State.MISPLACED, State.WITHOUT_CONTEXT):
            raise outcome.Refused(
                f'line {pipeline.line}, {pipeline.place}: {state}. Fix this '
                f'by hand: the guard belongs right after keystonecontext.')
        if state is State.MISSING:
            context, = pipeline.named(layout.contexts)
            edits.append(ini.word_after(text, context, layout.guard))
    if layout.guard_section is None:
        edits.append(ini.section_after(
            text, layout.context_section, SECTION, f'use = {FACTORY}'))
    return ini.edited(text, edits)


def remove(text):
    """Take the guard out of every pipeline, and its section away.

    :param text: of an api-paste.ini
    :returns: the new text; the same where the guard is not in it
    :raises outcome.Refused: for a file that is not understood
    """
    layout = _Layout(text)
    for pipeline in layout.pipelines:
        for word in pipeline.named((layout.guard,)):
            return remove(ini.edited(text, [ini.without_word(text, word)]))
    if layout.guard_section is None:
        return text
    return ini.edited(
        text, [ini.without_section(text, layout.guard_section)])


def settings(text):
    """Return the guard's options in its own section.

    :param text: of an api-paste.ini
    :returns: dict of value (str) by option name, empty without a section
    :raises outcome.Refused: for a file that is not understood
    """
    section = _Layout(text).guard_section
    return {name: value
            for name, value in (section.values if section else {}).items()
            if name not in _WHAT_IT_IS}


@dataclasses.dataclass(frozen=True, slots=True)
class _Pipeline:
    """A pipeline.

    :ivar place: as Finding.place
    :ivar line: as Finding.line
    :ivar words: list of ini.Word: the filters, and the application
    """

    place: str
    line: int
    words: list

    def named(self, names):
        """Return the words that are any of these names."""
        return [word for word in self.words if word.text in names]


class _Layout:
    """What of an api-paste.ini has to do with the guard.

    :param text: the file's text
    :raises outcome.Refused: for a file that is not understood
    :ivar contexts: the names of the filters that are keystonecontext
    :ivar guard: the name of the guard's filter
    :ivar context_section: the ini.Section of the first of `contexts` in use
    :ivar guard_section: the ini.Section of the guard's filter, or None
    :ivar pipelines: list of _Pipeline, all there are
    """

    def __init__(self, text):
        self._text = text
        try:
            sections = ini.read(text)
        except ini.ParseError as error:
            raise outcome.Refused(f'it can\'t be read: {error}') from error
        filters = {
            name.strip(): section for section in sections
            for kind, _, name in (section.name.partition(':'),)
            if kind == 'filter'}
        self.contexts = _made_by(_CONTEXT, filters)
        self._authtokens = _made_by(_AUTHTOKEN, filters)
        guards = _made_by(_GUARD, filters)
        if NAME in filters.keys() - guards or len(guards) > 1:
            raise outcome.Refused(
                f'there must be no more than one filter that is {FACTORY}, '
                f'and no other may be called {NAME}: see the sections of '
                f'{", ".join(sorted({*guards, NAME}))}')
        self.guard = next(iter(guards), NAME)
        self.guard_section = filters.get(self.guard)
        self.pipelines = [pipeline for section in sections
                          for pipeline in self._pipelines(section)]
        self._refuse_strays(sections)
        used = [word.text for pipeline in self.pipelines
                for word in pipeline.named(self.contexts)]
        if not used:
            raise outcome.Refused(
                'there is no pipeline with keystonecontext (a filter that is '
                'nova.api.auth:NovaKeystoneContext.factory)')
        self.context_section = filters[used[0]]

    def _pipelines(self, section):
        """Yield the _Pipelines of a section."""
        kind = section.name.partition(':')[0]
        if kind == 'pipeline':
            options = {'pipeline': section.name}
        elif (kind in _COMPOSITES and
                _PIPELINE_FACTORY.fullmatch(section.values.get('use', ''))):
            options = {name: f'{section.name} {name}'
                       for name in section.values if name != 'use'}
        else:
            return
        for option in section.options:
            verb = option.name.partition(' ')[0]
            if verb == 'get' or '%(' in option.value:
                raise outcome.Refused(
                    f'[{section.name}] {option.name} = {option.value}: it '
                    f'can\'t be told what filters that are')
            if verb != 'set' and option.name in options and option.words:
                yield _Pipeline(options[option.name],
                                self._line(option.words[0]), option.words)

    def _refuse_strays(self, sections):
        """Refuse a file that has more pipelines than are understood."""
        understood = {word.start for pipeline in self.pipelines
                      for word in pipeline.words}
        for section in sections:
            for option in section.options:
                watched = {*self.contexts, self.guard}
                if section.name.startswith('filter:') and option.name == 'use':
                    # One may be made of keystonecontext, under its own
                    # name; nothing but a pipeline may use the guard.
                    watched = {self.guard}
                for word in option.words:
                    if (word.text in watched and
                            word.start not in understood):
                        raise outcome.Refused(
                            f'line {self._line(word)}, [{section.name}] '
                            f'{option.name}: it names {word.text}, but is no '
                            f'pipeline of Nova\'s')

    def _line(self, word):
        return ini.line_number(self._text, word.start)

    def state(self, pipeline):
        """Return the State of a pipeline, None if it doesn't need the guard.

        Such a one authenticates nobody: it answers what versions there are,
        or is for tests.
        """
        contexts = pipeline.named(self.contexts)
        guards = pipeline.named((self.guard,))
        if not contexts and not guards:
            return (State.WITHOUT_CONTEXT
                    if pipeline.named(self._authtokens) else None)
        if len(contexts) == 1:
            if not guards:
                return State.MISSING
            place = pipeline.words.index(contexts[0]) + 1
            if guards == pipeline.words[place:place + 1]:
                return State.PRESENT
        return State.MISPLACED


def _made_by(factory, filters):
    """Return the names of the filters that a factory makes (set).

    :param factory: re.Pattern
    :param filters: dict of ini.Section by name
    """
    def makes(name, seen=()):
        if name not in filters or name in seen:
            return False
        values = filters[name].values
        what = next((values[option] for option in _WHAT_IT_IS
                     if option in values), '').removeprefix('call:')
        # A filter may be another one, with other options.
        return bool(factory.fullmatch(what)) or makes(what, (*seen, name))

    return {name for name in filters if makes(name)}
