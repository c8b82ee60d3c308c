"""The files of a book: metrics.yaml, what it includes, and what ``${NAME}`` stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from itertools import takewhile
from pathlib import Path

from scorecard.book.notes import Notes, shown
from scorecard.book.shapes.records import Fields
from scorecard.book.shipped import PACKS, PackUse, pack_of, take
from scorecard.book.texts import ON_DISK, Texts
from scorecard.ground.errors import Place, Problem, did_you_mean
from scorecard.ground.values import dataclass
from scorecard.ground.yamlfile import YamlList, YamlMap, YamlNode, YamlText, parse

SECTIONS = ("sources", "teams", "processes", "panels", "reviews", "metrics")
TOP_KEYS = ("version", "include", "organization", *SECTIONS, "defaults", "tests")
MOST_FILES = 1000
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


@dataclass(slots=True)
class BookFile:
    """One file: its path, its name for people, its sections, and the defaults of its metrics. ``problems`` are of its writing."""

    path: Path
    name: str
    root: YamlMap
    pack: PackUse | None = None
    defaults: Fields | None = None

    @property
    def folder(self) -> Path:
        return self.path.parent


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file to read. ``shown_as``: its name for people; ``text`` stands in for its own; ``asked``: the include that names it."""

    path: Path
    shown_as: str
    text: str | None = None
    asked: YamlNode | None = None
    pack: PackUse | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A named definition: its key, its node and the file that holds it."""

    key: YamlText
    node: YamlNode
    file: BookFile

    @property
    def name(self) -> str:
        return self.key.text


@dataclass(slots=True)
class Written:
    """All files, merged by section; a name defined twice keeps its first definition."""

    files: list[BookFile] = field(default_factory=list)
    sections: dict[str, dict[str, Entry]] = field(default_factory=lambda: {section: {} for section in SECTIONS})
    organization: Entry | None = None
    tests: list[tuple[YamlNode, BookFile]] = field(default_factory=list)

    def entries(self, section: str) -> Iterator[Entry]:
        yield from self.sections[section].values()


class Environment:
    """Values of ``${NAME}``: from the environment, else from a ``.env`` beside the file, else beside the first file."""

    def __init__(self, given: Mapping[str, str], home: Path) -> None:
        self._given = given
        self._home = home
        self._beside: dict[Path, dict[str, str]] = {}

    def names(self, folder: Path) -> set[str]:
        return set(self._given) | set(self._file(folder)) | set(self._file(self._home))

    def value(self, name: str, folder: Path) -> str | None:
        for values in (self._given, self._file(folder), self._file(self._home)):
            if name in values:
                return values[name]
        return None

    def places(self, folder: Path) -> tuple[Path, Path]:
        """The files in which names of this folder's files are looked up."""
        return folder / ".env", self._home / ".env"

    def _file(self, folder: Path) -> Mapping[str, str]:
        if folder not in self._beside:
            self._beside[folder] = _read_dotenv(folder / ".env")
        return self._beside[folder]


def _read_dotenv(path: Path) -> dict[str, str]:
    """NAME=value lines; `export`, quotes and # comments as shells write them. What is no such line is passed over."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    found: dict[str, str] = {}
    for line in lines:
        match = re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*", line)
        if match is None:
            continue
        value = match[2]
        quoted = re.fullmatch(r"(['\"])(.*?)\1\s*(#.*)?", value)
        found[match[1]] = quoted[2] if quoted else re.sub(r"(^|\s+)#.*$", "", value)
    return found


def read_files(
    path: Path,
    text: str | None,
    environment: Environment,
    notes: Notes,
    texts: Texts = ON_DISK,
    name: str | None = None,
) -> Written:
    """Reads the file (``text`` stands in for its own) and all that it includes; ``name`` is how people know it.

    Problems go to ``notes``.
    """
    written = Written()
    waiting: list[Waiting] = [Waiting(path, name or str(path), text)]
    seen: dict[Path, YamlNode | None] = {path.resolve(): None}
    while waiting:
        each = waiting.pop(0)
        notes.watch(each.path)
        root = _read_root(each, notes, texts if each.pack is None else ON_DISK)
        if root is None:
            continue
        file = BookFile(each.path, each.shown_as, root, each.pack)
        written.files.append(file)
        _fill_file(file, environment, notes)
        if each.pack is not None:
            take(root, each.pack, notes)
            continue
        for found in _included(file, notes, texts):
            first = seen.get(found.path.resolve())
            if found.path.resolve() in seen:
                if found.pack is not None and first is not None:
                    message = f"pack '{found.pack.name}' is included twice; the first time at {first.place}"
                    notes.error(found.asked, message, "put what both say into one include")
                continue
            if len(seen) > MOST_FILES:
                notes.error(found.asked, f"more than {MOST_FILES} files are included")
                return written
            seen[found.path.resolve()] = found.asked
            waiting.append(found)
    for file in written.files:
        _merge(file, written, notes)
    return written


def _read_root(each: Waiting, notes: Notes, texts: Texts) -> YamlMap | None:
    path, name, text, asked = each.path, each.shown_as, each.text, each.asked
    problems: list[Problem] = []
    if text is None:
        text, problems = texts.text(path, name)
    if text is None:
        for problem in problems:
            hint = problem.hint or (
                "`scorecard init` makes an example" if asked is None and "no such" in problem.message else None
            )
            notes.error(
                problem.place if asked is None else asked,
                problem.message if asked is None else f"'{name}': {problem.message}",
                hint,
            )
        return None
    root, problems = parse(text, name)
    for problem in problems:
        notes.found.append(problem)
        if root is None:
            notes.fatal.append(problem)
    if root is None:
        if not problems:
            notes.error(Place(name, 1, 1), "the file is empty", "`scorecard init` makes an example")
        return None
    if not isinstance(root, YamlMap):
        notes.error(root, "the file holds no keys", "begin with 'version: 1'; a space belongs behind every colon")
        return None
    return root


def _included(file: BookFile, notes: Notes, texts: Texts) -> Iterator[Waiting]:
    """The files and packs that a file includes, in its order."""
    if "include" not in file.root.entries:
        return
    node = file.root.entries["include"][1]
    for item in node.items if isinstance(node, YamlList) else [node]:
        if isinstance(item, YamlMap) or (isinstance(item, YamlText) and item.text.strip().startswith("pack:")):
            pack = pack_of(item, notes)
            if pack is not None:
                yield Waiting(PACKS / f"{pack.name}.yaml", f"pack:{pack.name}", None, item, pack)
        elif not isinstance(item, YamlText):
            notes.error(item, "an include is a path such as metrics/*.yaml, pack:NAME, or {pack: NAME, only: […]}")
        elif not item.empty:
            yield from _matches(file, item, notes, texts)


def _matches(file: BookFile, include: YamlText, notes: Notes, texts: Texts) -> Iterator[Waiting]:
    pattern = include.text.strip()
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        notes.error(
            include,
            f"the include '{shown(include)}' leaves the folder of its file",
            "include files of this folder and below",
        )
        return
    if not any(sign in pattern for sign in "*?["):
        yield Waiting(file.folder / pattern, str(Path(file.name).parent / pattern), None, include)
        return
    fixed = takewhile(lambda part: not any(sign in part for sign in "*?["), Path(pattern).parts)
    notes.watch(file.folder.joinpath(*fixed))  # a folder changes when a file comes or goes
    found = texts.matches(file.folder, pattern)
    if not found:
        notes.error(include, f"no file matches the include '{shown(include)}'", f"looked in {file.folder}")
    for path in found:
        yield Waiting(path, str(Path(file.name).parent / path.relative_to(file.folder)), None, include)


def _fill_file(file: BookFile, environment: Environment, notes: Notes) -> None:
    """Puts in what ``${NAME}`` stands for: in sources and allow_paths, whose values are never shown; an error elsewhere."""
    if "${" not in file.root.file.text:
        return
    for name, (_, node) in file.root.entries.items():
        for section, key, keys, scalar in _scalars(name, node):
            if "${" not in scalar.text:
                continue
            notes.subject = (section, keys[0]) if section in SECTIONS and keys else None
            if section == "sources" or (section == "organization" and keys[:1] == ("allow_paths",)):
                _fill(scalar, key, file, environment, notes)
            else:
                hint = "it is filled in under sources only, because such values are never shown"
                notes.error(_variable_place(scalar), f"'{shown(scalar)}' holds a ${{NAME}}", hint)
    notes.subject = None


def _variable_place(scalar: YamlText, at: int | None = None) -> Place:
    return scalar.place_of(scalar.text.index("${") if at is None else at)


def _fill(scalar: YamlText, key: str, file: BookFile, environment: Environment, notes: Notes) -> None:
    filled, end, missing = [], 0, False
    for place in environment.places(file.folder):
        notes.watch(place)
    for match in _VARIABLE.finditer(scalar.text):
        name = match[1].strip()
        value = environment.value(name, file.folder) if re.fullmatch(r"[A-Za-z_]\w*", name) else None
        if value is None:
            missing = True
            known = (did_you_mean(name, environment.names(file.folder)) or "").removesuffix("?")
            hint = f"set it, or write {name}=… into a .env beside {Path(file.name).name}{'; ' + known + '?' if known else ''}"
            notes.error(
                scalar.place_of(match.start()), f"'{key}' needs ${{{name}}}, which is not in the environment", hint
            )
            continue
        notes.secrets.add(value)
        filled += [scalar.text[end : match.start()], value]
        end = match.end()
    if _VARIABLE.sub("", scalar.text).find("${") >= 0:
        notes.error(_variable_place(scalar, scalar.text.rindex("${")), f"'{key}' holds a '${{' without its '}}'")
        missing = True
    scalar.filled, scalar.values = True, tuple(filled[1::2])
    scalar.text = "" if missing else "".join(filled) + scalar.text[end:]
    if missing:
        scalar.style = ""  # reads as a key without a value, which is reported once: here


def _scalars(
    section: str, node: YamlNode, keys: tuple[str, ...] = ()
) -> Iterator[tuple[str, str, tuple[str, ...], YamlText]]:
    if isinstance(node, YamlText):
        yield section, keys[-1] if keys else section, keys, node
    elif isinstance(node, YamlMap):
        for name, (_, value) in node.entries.items():
            yield from _scalars(section, value, (*keys, name))
    elif isinstance(node, YamlList):
        for item in node.items:
            yield from _scalars(section, item, keys)


def _merge(file: BookFile, written: Written, notes: Notes) -> None:
    for name, (key, node) in file.root.entries.items():
        if isinstance(node, YamlText) and node.empty:
            continue
        if name in SECTIONS:
            _merge_section(name, node, file, written, notes)
        elif name == "organization":
            if written.organization is not None:
                notes.error(
                    key,
                    f"a second 'organization'; the first is at {written.organization.key.place}",
                    "keep one of the two",
                )
            else:
                written.organization = Entry(key, node, file)
        elif name == "tests":
            if isinstance(node, YamlList):
                written.tests += [(item, file) for item in node.items]
            else:
                notes.error(node, "'tests' takes a list", "begin each with '- name: …'")
        elif name not in TOP_KEYS and not (name == "needs" and file.pack is not None):
            notes.error(
                key, f"unknown key '{name}'", did_you_mean(name, TOP_KEYS) or f"known keys: {', '.join(TOP_KEYS)}"
            )


def _merge_section(section: str, node: YamlNode, file: BookFile, written: Written, notes: Notes) -> None:
    if not isinstance(node, YamlMap):
        notes.error(node, f"'{section}' takes names with what they mean under them")
        return
    known = written.sections[section]
    for name, (key, value) in node.entries.items():
        if name in known:
            first = known[name].key.place
            message = f"{section} '{name}' is defined twice: here and at {first}"
            notes.error(key, message, "rename or delete one of the two")
        else:
            known[name] = Entry(key, value, file)
