# SPDX-License-Identifier: Apache-2.0
"""Parse an INI file as paste.deploy does, and edit it without other changes.

paste.deploy uses configparser, which does not report where in the text a value
is. read() does, by the same rules, and refuses a text that the two parse
differently. An edit is (start, end, new text); edited() applies it.
"""

from collections import abc
import configparser
import dataclasses
import io
import re

_LINE = re.compile(r'(?P<content>[^\r\n]*)(?P<end>\r\n|\r|\n|\Z)')
_LINE_END = re.compile(r'\r\n|\r|\n')
_HEADER = re.compile(r'\[(.+)\]')
_NAME = re.compile(r'\s*(.*?)\s*[=:]')
_WORD = re.compile(r'\S+')
_COMMENT = ('#', ';')
# These match what is right before an offset.
_END_BEFORE = re.compile(r'(\r\n|\r|\n)?\Z')
_ENDS_BEFORE = re.compile(r'((\r\n|\r|\n)(\r\n|\r|\n)?)?\Z')
_LINE_BEFORE = re.compile(r'[^\r\n]*\Z')


# Messages for the errors of configparser. A base class comes after its
# subclasses.
_COMPLAINTS: dict[type[configparser.Error], str] = {
    configparser.DuplicateSectionError:
        'the section [{0.section}] appears twice',
    configparser.DuplicateOptionError:
        'the option {0.option} appears twice in [{0.section}]',
    configparser.MissingSectionHeaderError:
        'text before the first section',
    configparser.ParsingError: 'neither a section nor an option',
}

Edit = tuple[int, int, str]


class ParseError(Exception):
    """The text is not an INI file, or is ambiguous."""


@dataclasses.dataclass(frozen=True, slots=True)
class Word:
    """A part of a value, between blanks.

    :ivar start: the offset where it starts
    """

    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset where it ends."""
        return self.start + len(self.text)


@dataclasses.dataclass(slots=True)
class Option:
    """An option: a name and a value, which may have several lines.

    :ivar name: the name, as it is spelled
    :ivar words: the words of the value
    :ivar end: the offset where its last line ends, without trailing blanks
    """

    name: str
    words: list[Word]
    end: int

    @property
    def value(self) -> str:
        """The value, with one blank between its words."""
        return ' '.join(word.text for word in self.words)


@dataclasses.dataclass(slots=True)
class Section:
    """A section.

    :ivar name: the text in brackets
    :ivar start: the offset of the line with its name
    :ivar header_end: the offset where the line with its name ends, as
        Option.end
    """

    name: str
    start: int
    header_end: int
    options: list[Option]

    @property
    def end(self) -> int:
        """The offset where its last option ends."""
        return self.options[-1].end if self.options else self.header_end

    @property
    def values(self) -> dict[str, str]:
        """The values by option name."""
        return {option.name: option.value for option in self.options}


def read(text: str) -> list[Section]:
    """Parse the text of a file.

    :raises ParseError: if paste.deploy does not accept the text, or the text
        is ambiguous
    """
    expected = _as_paste_reads(text)
    sections = list(_sections(text))
    if {section.name: section.values for section in sections} != expected:
        raise ParseError('the lines are laid out in an ambiguous way')
    return sections


def edited(text: str, edits: abc.Iterable[Edit]) -> str:
    """Return a text with edits applied.

    :param edits: they do not overlap
    """
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def line_number(text: str, offset: int) -> int:
    """Return the number of the line that contains an offset."""
    return len(_LINE_END.findall(text, 0, offset)) + 1


def word_after(text: str, word: Word, new: str) -> Edit:
    """Return the edit that inserts a word after another, in its layout."""
    before, after = _around(text, word)
    if before.strip() or after.strip():
        return word.end, word.end, f' {new}'
    # Each word has a line of its own.
    return word.end, word.end, _line_end(text, word.end) + before + new


def without_word(text: str, word: Word) -> Edit:
    """Return the edit that removes a word and its separator."""
    before, after = _around(text, word)
    start = word.start - len(before)
    if not before.strip() and not after.strip():
        return _found(_END_BEFORE.search(text, 0, start)).start(), word.end, ''
    if before.strip() and not before.rstrip().endswith(('=', ':')):
        return start + len(before.rstrip()), word.end, ''
    return word.start, word.end + len(after) - len(after.lstrip()), ''


def section_after(text: str, section: Section, name: str,
                  option: str) -> Edit:
    """Return the edit that inserts a section, with an option, after another.
    """
    line_end = _line_end(text, section.end)
    return section.end, section.end, line_end.join(
        ('', '', f'[{name}]', option))


def without_section(text: str, section: Section) -> Edit:
    """Return the edit that removes a section and its separator.

    Comments before it, and after its last option, stay.
    """
    if section.start == 0:
        return 0, _found(_LINE.match(text, section.end)).end(), ''
    return (_found(_ENDS_BEFORE.search(text, 0, section.start)).start(),
            section.end, '')


def _as_paste_reads(text: str) -> dict[str, dict[str, str]]:
    """Return the values by section and option name."""
    parser = configparser.ConfigParser(
        # Without inheritance: [DEFAULT] is a section like the others.
        interpolation=None, default_section='\n')
    parser.optionxform = str  # type: ignore[assignment]
    try:
        parser.read_file(io.StringIO(text, newline=None))
    except configparser.Error as error:
        raise ParseError(_complaint(error)) from error
    return {name: {option: ' '.join(value.split())
                   for option, value in parser.items(name)}
            for name in parser.sections()}


def _complaint(error: configparser.Error) -> str:
    """Describe an error of configparser, without a file name."""
    complaint = next((text for kind, text in _COMPLAINTS.items()
                      if isinstance(error, kind)), str(error))
    line = getattr(error, 'lineno', None)
    if line is None and isinstance(error, configparser.ParsingError):
        line = error.errors[0][0]
    return f'line {line}: {complaint.format(error)}'


def _sections(text: str) -> abc.Iterator[Section]:
    """Yield each section of a text that configparser accepts."""
    section: Section | None = None
    option: Option | None = None
    indentation = 0
    for line in _LINE.finditer(text):
        content, start = line['content'], line.start()
        stripped = content.strip()
        if not stripped or stripped.startswith(_COMMENT):
            continue
        end = start + len(content.rstrip())
        depth = len(content) - len(content.lstrip())
        if option and depth > indentation:
            option.words += _words(content, start)
            option.end = end
            continue
        indentation = depth
        header = _HEADER.match(stripped)
        if header:
            if section:
                yield section
            section, option = Section(header[1], start, end, []), None
            continue
        name = _found(_NAME.match(content))
        option = Option(name[1], _words(content, start, name.end()), end)
        if section:
            section.options.append(option)
    if section:
        yield section


def _words(content: str, start: int, value: int = 0) -> list[Word]:
    """Return the words of a line, from where its value starts."""
    return [Word(word[0], start + word.start())
            for word in _WORD.finditer(content, value)]


def _around(text: str, word: Word) -> tuple[str, str]:
    """Return what is before and after a word in its line."""
    return (_found(_LINE_BEFORE.search(text, 0, word.start))[0],
            _found(_LINE.match(text, word.end))['content'])


def _line_end(text: str, offset: int) -> str:
    """Return the line end of the line at an offset, or of the first one."""
    return (_found(_LINE.match(text, offset))['end'] or
            _found(_LINE.match(text))['end'] or '\n')


def _found(match: re.Match[str] | None) -> re.Match[str]:
    """Return a match of a pattern that is expected to match.

    :raises ParseError: if it does not
    """
    if match is None:
        raise ParseError('a line has another form than expected')
    return match
