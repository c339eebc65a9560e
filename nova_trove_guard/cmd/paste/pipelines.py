# SPDX-License-Identifier: Apache-2.0
"""Check and edit the guard in the pipelines of an api-paste.ini.

A pipeline is a list of filters with an application at its end: the option
``pipeline`` of a ``[pipeline:...]`` section, or one option for each way to
authenticate in a ``[composite:...]`` section with a factory of the service's
own (nova.api.auth.pipeline_factory_v21). The guard must be in each pipeline
that creates the service's request context from Keystone's token data, right
after the filter that does so. That filter usually has the name
keystonecontext; it is recognized by its factory, which also shows to which
service the file belongs.
"""

from collections import abc
import dataclasses
import enum
import re

from nova_trove_guard.cmd import outcome
from nova_trove_guard.cmd.paste import ini

NAME = 'trove_guard'
SECTION = f'filter:{NAME}'

# The options that name the factory of a filter.
_WHAT_IT_IS = ('use', 'paste.filter_factory')
_COMPOSITES = ('composite', 'composit')
_AUTHTOKEN = re.compile(r'keystone(middleware|client\.middleware|'
                        r'\.middleware)\.auth_token:filter_factory|'
                        r'egg:keystonemiddleware#auth_token')


@dataclasses.dataclass(frozen=True, slots=True)
class Api:
    """A service's API, as its api-paste.ini has it.

    :ivar service: the service's name
    :ivar process: its process that loads the file
    :ivar factory: the factory of the guard's filter, as insert() writes it
    :ivar entry_point: the function to which that factory leads
    :ivar context: the factory of keystonecontext
    :ivar composite: matches the factories of composites with pipelines
    """

    service: str
    process: str
    factory: str
    entry_point: str
    context: str
    composite: re.Pattern[str]

    @property
    def guard(self) -> re.Pattern[str]:
        """A pattern that matches all factories of the guard's filter."""
        # An egg has the name of a distribution, in which - and _ are equal.
        return re.compile(
            re.escape(self.factory).replace(r'\-', '[-_]') + '|' +
            re.escape(self.entry_point))


NOVA = Api(
    service='Nova', process='nova-api',
    factory='egg:nova-trove-guard#trove_guard',
    entry_point='nova_trove_guard.nova.filter:filter_factory',
    context='nova.api.auth:NovaKeystoneContext.factory',
    composite=re.compile(r'call:nova\.api\.auth:pipeline_factory\w*'))
CINDER = Api(
    service='Cinder', process='cinder-api',
    factory='egg:nova-trove-guard#trove_guard_cinder',
    entry_point='nova_trove_guard.cinder.filter:filter_factory',
    context='cinder.api.middleware.auth:CinderKeystoneContext.factory',
    composite=re.compile(
        r'call:cinder\.api\.middleware\.auth:pipeline_factory\w*'))
NEUTRON = Api(
    service='Neutron', process='neutron-api (or neutron-server)',
    factory='egg:nova-trove-guard#trove_guard_neutron',
    entry_point='nova_trove_guard.neutron.filter:filter_factory',
    context='neutron.auth:NeutronKeystoneContext.factory',
    composite=re.compile(r'call:neutron\.auth:pipeline_factory'))
APIS = (NOVA, CINDER, NEUTRON)


_NO_CONTEXT = (
    f'there is no pipeline with keystonecontext (a filter that is '
    f'{" or ".join(api.context for api in APIS)})')


class State(enum.StrEnum):
    """The state of the guard in a pipeline, or of its section."""

    PRESENT = 'present'
    MISSING = 'missing'
    MISPLACED = 'wrong place'
    FOREIGN = 'filter of another service'
    WITHOUT_CONTEXT = 'authtoken without keystonecontext'


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """The state of one place in the file.

    :ivar place: the section, and in a composite the option
    :ivar line: the line number, None if the place is missing
    """

    place: str
    line: int | None
    state: State


def check(text: str) -> list[Finding]:
    """Check where the guard is in the text of an api-paste.ini.

    :returns: one Finding for each pipeline that needs the guard or has it, and
        one for the guard's own section
    :raises outcome.Refused: for a layout that is not supported
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
        section.name, ini.line_number(text, section.start),
        State.FOREIGN if layout.is_foreign else State.PRESENT)]


def are_ok(findings: abc.Iterable[Finding]) -> bool:
    """Return whether the guard is wherever it must be."""
    return all(finding.state is State.PRESENT for finding in findings)


def insert(text: str) -> str:
    """Insert the guard into every pipeline that needs it.

    :returns: the new text; the same if nothing is missing
    :raises outcome.Refused: for a layout that is not supported
    """
    layout = _Layout(text)
    section = layout.guard_section
    if section is not None and layout.is_foreign:
        raise outcome.Refused(
            f'line {ini.line_number(text, section.start)}, {section.name}: '
            f'{State.FOREIGN}. Fix this by hand: {layout.api.service} needs '
            f'use = {layout.api.factory}')
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
    if section is None:
        edits.append(ini.section_after(
            text, layout.context_section, SECTION,
            f'use = {layout.api.factory}'))
    return ini.edited(text, edits)


def remove(text: str) -> str:
    """Remove the guard from every pipeline, and its section.

    :returns: the new text; the same if the guard is not in it
    :raises outcome.Refused: for a layout that is not supported
    """
    layout = _Layout(text)
    for pipeline in layout.pipelines:
        for word in pipeline.named((layout.guard,)):
            return remove(ini.edited(text, [ini.without_word(text, word)]))
    if layout.guard_section is None:
        return text
    return ini.edited(
        text, [ini.without_section(text, layout.guard_section)])


def api_of(text: str) -> Api:
    """Return the API to which a file belongs.

    :raises outcome.Refused: for a layout that is not supported
    """
    return _Layout(text).api


def settings(text: str) -> dict[str, str]:
    """Return the values in the guard's own section, by option name.

    :returns: empty if there is no such section
    :raises outcome.Refused: for a layout that is not supported
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
    :ivar words: the filters and the application
    """

    place: str
    line: int
    words: list[ini.Word]

    def named(self, names: abc.Container[str]) -> list[ini.Word]:
        """Return the words that are one of the names."""
        return [word for word in self.words if word.text in names]


class _Layout:
    """The parts of an api-paste.ini that concern the guard.

    :raises outcome.Refused: for a layout that is not supported
    :ivar api: the API to which the file belongs
    :ivar contexts: the names of the filters that are keystonecontext
    :ivar guard: the name of the guard's filter
    :ivar is_foreign: whether that filter is for another service
    :ivar context_section: the section of the first of `contexts` in use
    :ivar guard_section: the section of the guard's filter, or None
    :ivar pipelines: all pipelines
    """

    def __init__(self, text: str) -> None:
        self._text = text
        try:
            sections = ini.read(text)
        except ini.ParseError as error:
            raise outcome.Refused(f'it can\'t be parsed: {error}') from error
        filters = {
            name.strip(): section for section in sections
            for kind, _, name in (section.name.partition(':'),)
            if kind == 'filter'}
        self.api, self.contexts = _recognized(filters)
        self._authtokens = _made_by(_AUTHTOKEN, filters)
        guards = {name: api for api in APIS
                  for name in _made_by(api.guard, filters)}
        if NAME in filters.keys() - guards or len(guards) > 1:
            raise outcome.Refused(
                f'there must be no more than one filter that is '
                f'{self.api.factory}, and no other filter may have the name '
                f'{NAME}: check the sections of '
                f'{", ".join(sorted({*guards, NAME}))}')
        self.guard = next(iter(guards), NAME)
        self.is_foreign = guards.get(self.guard, self.api) is not self.api
        self.guard_section = filters.get(self.guard)
        self.pipelines = [pipeline for section in sections
                          for pipeline in self._pipelines(section)]
        self._refuse_strays(sections)
        used = [word.text for pipeline in self.pipelines
                for word in pipeline.named(self.contexts)]
        if not used:
            raise outcome.Refused(_NO_CONTEXT)
        self.context_section = filters[used[0]]

    def _pipelines(self, section: ini.Section) -> abc.Iterator[_Pipeline]:
        """Yield the pipelines of a section."""
        kind = section.name.partition(':')[0]
        if kind == 'pipeline':
            options = {'pipeline': section.name}
        elif (kind in _COMPOSITES and
                self.api.composite.fullmatch(section.values.get('use', ''))):
            options = {name: f'{section.name} {name}'
                       for name in section.values if name != 'use'}
        else:
            return
        for option in section.options:
            verb = option.name.partition(' ')[0]
            if verb == 'get' or '%(' in option.value:
                raise outcome.Refused(
                    f'[{section.name}] {option.name} = {option.value}: could '
                    f'not determine what filters these are')
            if verb != 'set' and option.name in options and option.words:
                yield _Pipeline(options[option.name],
                                self._line(option.words[0]), option.words)

    def _refuse_strays(self, sections: abc.Iterable[ini.Section]) -> None:
        """Refuse a file that uses the filters outside of known pipelines."""
        known = {word.start for pipeline in self.pipelines
                 for word in pipeline.words}
        for section in sections:
            for option in section.options:
                watched = {*self.contexts, self.guard}
                if section.name.startswith('filter:') and option.name == 'use':
                    # A filter may be based on keystonecontext, under another
                    # name, but only a pipeline may use the guard.
                    watched = {self.guard}
                for word in option.words:
                    if (word.text in watched and
                            word.start not in known):
                        raise outcome.Refused(
                            f'line {self._line(word)}, [{section.name}] '
                            f'{option.name}: it names {word.text}, but is not '
                            f'a pipeline of {self.api.service}')

    def _line(self, word: ini.Word) -> int:
        return ini.line_number(self._text, word.start)

    def state(self, pipeline: _Pipeline) -> State | None:
        """Return the state of a pipeline, None if it does not need the guard.

        A pipeline without authentication does not need it: it lists the API
        versions, or is for tests.
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


def _recognized(filters: abc.Mapping[str, ini.Section],
                ) -> tuple[Api, set[str]]:
    """Return the API of a file, and the names of its keystonecontext filters.

    :raises outcome.Refused: if no service has such a filter, or several have
    """
    found = [(api, names) for api in APIS
             if (names := _made_by(re.compile(re.escape(api.context)),
                                   filters))]
    if not found:
        raise outcome.Refused(_NO_CONTEXT)
    if len(found) > 1:
        raise outcome.Refused(
            f'it has the keystonecontext of '
            f'{" and ".join(api.service for api, _ in found)}')
    return found[0]


def _made_by(factory: re.Pattern[str],
             filters: abc.Mapping[str, ini.Section]) -> set[str]:
    """Return the names of the filters whose factory matches a pattern.

    :param filters: the sections of all filters, by name
    """
    def makes(name: str, seen: tuple[str, ...] = ()) -> bool:
        if name not in filters or name in seen:
            return False
        values = filters[name].values
        what = next((values[option] for option in _WHAT_IT_IS
                     if option in values), '').removeprefix('call:')
        # A filter may be based on another one, with other options.
        return bool(factory.fullmatch(what)) or makes(what, (*seen, name))

    return {name for name in filters if makes(name)}
