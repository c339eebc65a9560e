# SPDX-License-Identifier: Apache-2.0
"""An INI file as paste.deploy reads it, and edits that leave all else alone.

paste.deploy reads with configparser, which doesn't tell where in a text a
value stands. read() does, by the same rules, and takes only what both read
alike. An edit is (start, end, new text); edited() makes it.
"""

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
# What stands right before an offset.
_END_BEFORE = re.compile(r'(\r\n|\r|\n)?\Z')
_ENDS_BEFORE = re.compile(r'((\r\n|\r|\n)(\r\n|\r|\n)?)?\Z')
_LINE_BEFORE = re.compile(r'[^\r\n]*\Z')


class ParseError(Exception):
    """The text is no INI file, or an ambiguous one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Word:
    """A part of a value, between blanks.

    :ivar text: the word
    :ivar start: the offset where it begins
    """

    text: str
    start: int

    @property
    def end(self):
        """The offset where it ends."""
        return self.start + len(self.text)


@dataclasses.dataclass(slots=True)
class Option:
    """An option: a name and a value, which may go over several lines.

    :ivar name: the name, as it is spelled
    :ivar words: list of Word
    :ivar end: the offset where its last line ends, less blanks and line end
    """

    name: str
    words: list
    end: int

    @property
    def value(self):
        """The value, with one blank between its words."""
        return ' '.join(word.text for word in self.words)


@dataclasses.dataclass(slots=True)
class Section:
    """A section.

    :ivar name: what stands in brackets
    :ivar start: the offset of the line with its name
    :ivar header_end: the offset where its name's line ends, as Option.end
    :ivar options: list of Option
    """

    name: str
    start: int
    header_end: int
    options: list

    @property
    def end(self):
        """The offset where it ends, less what follows its last option."""
        return self.options[-1].end if self.options else self.header_end

    @property
    def values(self):
        """A dict of value by option name."""
        return {option.name: option.value for option in self.options}


def read(text):
    """Read a file.

    :param text: its text
    :returns: list of Section
    :raises ParseError: for what paste.deploy doesn't read
    """
    expected = _as_paste_reads(text)
    sections = list(_sections(text))
    if {section.name: section.values for section in sections} != expected:
        raise ParseError('the lines are laid out in an ambiguous way')
    return sections


def edited(text, edits):
    """Return a text with edits in it.

    :param text: the text
    :param edits: list of edits that don't overlap
    """
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def line_number(text, offset):
    """Return the number of the line in which an offset is."""
    return len(_LINE_END.findall(text, 0, offset)) + 1


def word_after(text, word, new):
    """Return the edit that puts a new word after one, in the same manner."""
    before, after = _around(text, word)
    if before.strip() or after.strip():
        return word.end, word.end, f' {new}'
    # Each has a line of its own.
    return word.end, word.end, _line_end(text, word.end) + before + new


def without_word(text, word):
    """Return the edit that takes a word away, with what set it apart."""
    before, after = _around(text, word)
    start = word.start - len(before)
    if not before.strip() and not after.strip():
        return _END_BEFORE.search(text, 0, start).start(), word.end, ''
    if before.strip() and not before.rstrip().endswith(('=', ':')):
        return start + len(before.rstrip()), word.end, ''
    return word.start, word.end + len(after) - len(after.lstrip()), ''


def section_after(text, section, name, option):
    """Return the edit that puts a new section with one option after one."""
    line_end = _line_end(text, section.end)
    return section.end, section.end, line_end.join(
        ('', '', f'[{name}]', option))


def without_section(text, section):
    """Return the edit that takes a section away, with what set it apart.

    Comments before it, and after its last option, stay.
    """
    if section.start == 0:
        return 0, _LINE.match(text, section.end).end(), ''
    return (_ENDS_BEFORE.search(text, 0, section.start).start(),
            section.end, '')


def _as_paste_reads(text):
    """Return dict of dict: values by section and option name."""
    parser = configparser.ConfigParser(
        # Nothing is inherited, and [DEFAULT] is one like the others.
        interpolation=None, default_section='\n')
    parser.optionxform = str
    try:
        parser.read_file(io.StringIO(text, newline=None))
    except configparser.Error as error:
        raise ParseError(' '.join(str(error).split())) from error
    return {name: {option: ' '.join(value.split())
                   for option, value in parser.items(name)}
            for name in parser.sections()}


def _sections(text):
    """Yield each Section of a text that configparser reads."""
    section, option, indentation = None, None, 0
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
        name = _NAME.match(content)
        option = Option(name[1], _words(content, start, name.end()), end)
        section.options.append(option)
    if section:
        yield section


def _words(content, start, value=0):
    """Return the Words of a line, from where its value begins."""
    return [Word(word[0], start + word.start())
            for word in _WORD.finditer(content, value)]


def _around(text, word):
    """Return what stands in a word's line before and after it."""
    return (_LINE_BEFORE.search(text, 0, word.start)[0],
            _LINE.match(text, word.end)['content'])


def _line_end(text, offset):
    """Return the line end of the line at an offset, or of the first one."""
    return (_LINE.match(text, offset)['end'] or _LINE.match(text)['end'] or
            '\n')
