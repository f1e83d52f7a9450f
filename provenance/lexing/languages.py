"""Language families: what opens a comment or a string, which words are keywords, which path is which.

A family is data; `provenance.lexing.lexer` and the compiled lexer read the same tables. Families are coarse on
purpose: what a family does not know (heredocs, nested templates) is lexed as ordinary tokens, the same way in
the corpus and in a query. Whether a word is a keyword never changes a fingerprint by family: fingerprints keep
the words of `CORE` and no others, so that a wrong guess of the language does not lose the match.

Facts are from the languages' reference manuals; file extensions from common use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from provenance.records import Source


@dataclass(frozen=True, slots=True)
class LineComment:
    """A comment from ``opener`` to the end of the line.

    ``blank_before``: only at the start of the text or after a blank; ``blank_after``: only before a blank or the end.
    ``not_after``: not directly after one of these characters.
    """

    opener: str
    blank_before: bool = False
    blank_after: bool = False
    not_after: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A comment or string between two markers.

    ``escape``: a backslash takes the next byte with it; ``doubled``: the closer twice stands for itself;
    ``lines``: may run over line ends; ``nested``: openers inside count; ``to_end``: without a closer it runs to the
    end of the text (otherwise the opener is punctuation); ``fence``: the opener is followed by a fence that the
    closer repeats: ``#`` (Rust raw strings) or ``(`` (C++ raw strings: up to 16 bytes and a parenthesis).
    ``one``: holds one character or one escape (character literals where the quote means something else, too).
    """

    opener: str
    closer: str
    comment: bool = False
    escape: bool = False
    doubled: bool = False
    lines: bool = False
    nested: bool = False
    to_end: bool = False
    fence: str = ""
    one: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """The lexical rules of one family of languages.

    ``prefixes``: letters that belong to the string they stand before (at most three); ``regexes``: ``/…/`` is a literal
    where an operand is due; ``docstrings``: a string alone on its line where a statement may begin is a comment;
    ``separator``: a quote between digits belongs to the number.
    """

    name: str
    keywords: frozenset[str]
    line_comments: tuple[LineComment, ...] = ()
    blocks: tuple[Block, ...] = ()
    prefixes: str = ""
    regexes: bool = False
    docstrings: bool = False
    separator: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CORE = _words(
    "and as assert async await break case catch class const continue def default defer delete do elif else elsif end"
    " enum except export extends extern false final finally fn for foreach from func function goto if impl implements"
    " import in instanceof interface is lambda let loop match mod mut namespace new nil none None not null nullptr of"
    " or package pass private protected pub public raise return select self sizeof static struct super switch"
    " synchronized template then this throw throws trait true try type typedef typeof typename union unless unsafe"
    " until use using val var virtual void volatile when where while with yield True False"
)
"""Words that fingerprints keep as they are, in every language; all other words are identifiers there."""

OPERATORS = (
    "===", "!==", "...", "**=", "<=>", "&&=", "||=", "??=",
    "==", "!=", "<=", ">=", "&&", "||", "->", "=>", "::", "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=",
    "++", "--", "**", "..", "?.", "??", ":=", "<<", "=~", "!~", "<-",
)  # fmt: skip
"""Operators of more than one character, longest first; any other character that starts no token stands alone.
``>>`` is not among them: it also closes two lists of type arguments. Nor is ``//``: it is a comment elsewhere."""

REGEX_AFTER = _words("return typeof case in of delete void throw new do else instanceof yield await")
"""Words after which ``/`` starts a regular expression (where ``Family.regexes``)."""

_C_BLOCK = Block("/*", "*/", comment=True, lines=True, to_end=True)
_C_LINE = LineComment("//")
_HASH = LineComment("#")
_DOUBLE = Block('"', '"', escape=True)
_SINGLE = Block("'", "'", escape=True)
_TRIPLE = Block('"""', '"""', escape=True, lines=True)
_TRIPLE_SINGLE = Block("'''", "'''", escape=True, lines=True)
_BACKTICK = Block("`", "`", escape=True, lines=True)
_MARKUP = Block("<!--", "-->", comment=True, lines=True, to_end=True)

_C_WORDS = (
    "auto bool break case char const continue default do double else enum extern false float for goto if inline int"
    " long register restrict return short signed sizeof static struct switch true typedef union unsigned void volatile"
    " while _Alignas _Alignof _Atomic _Bool _Complex _Generic _Imaginary _Noreturn _Static_assert _Thread_local"
)
_JS_WORDS = (
    "async await break case catch class const continue debugger default delete do else export extends false finally for"
    " function if import in instanceof let new null of return static super switch this throw true try typeof undefined"
    " var void while with yield"
)

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "python",
            _words(
                "False None True and as assert async await break class continue def del elif else except finally for"
                " from global if import in is lambda nonlocal not or pass raise return try while with yield match case"
            ),
            (_HASH,),
            (_TRIPLE, _TRIPLE_SINGLE, _DOUBLE, _SINGLE),
            prefixes="rRbBuUfFtT",
            docstrings=True,
        ),
        Family("javascript", _words(_JS_WORDS), (_C_LINE,), (_C_BLOCK, _DOUBLE, _SINGLE, _BACKTICK), regexes=True),
        Family(
            "typescript",
            _words(
                _JS_WORDS
                + " abstract any as asserts bigint boolean declare enum implements infer interface is keyof module"
                " namespace never number object override private protected public readonly satisfies string symbol type"
                " unique unknown"
            ),
            (_C_LINE,),
            (_C_BLOCK, _DOUBLE, _SINGLE, _BACKTICK),
            regexes=True,
        ),
        Family(
            "java",
            _words(
                "abstract assert boolean break byte case catch char class const continue default do double else enum"
                " extends false final finally float for goto if implements import instanceof int interface long native"
                " new null package private protected public record return short static strictfp super switch"
                " synchronized this throw throws transient true try var void volatile while yield"
            ),
            (_C_LINE,),
            (_C_BLOCK, _TRIPLE, _DOUBLE, _SINGLE),
        ),
        Family(
            "go",
            _words(
                "break case chan const continue default defer else fallthrough false for func go goto if import"
                " interface iota map nil package range return select struct switch true type var"
            ),
            (_C_LINE,),
            (_C_BLOCK, _DOUBLE, _SINGLE, Block("`", "`", lines=True)),
        ),
        Family("c", _words(_C_WORDS), (_C_LINE,), (_C_BLOCK, _DOUBLE, _SINGLE), prefixes="uUL8"),
        Family(
            "cpp",
            _words(
                _C_WORDS
                + " alignas alignof and asm catch class co_await co_return co_yield concept consteval constexpr"
                " constinit const_cast decltype delete dynamic_cast explicit export friend mutable namespace new"
                " noexcept not nullptr operator or override private protected public reinterpret_cast requires"
                " static_assert static_cast template this thread_local throw try typeid typename using virtual wchar_t"
            ),
            (_C_LINE,),
            (_C_BLOCK, Block('R"', '"', lines=True, fence="("), _DOUBLE, _SINGLE),
            prefixes="uUL8",
            separator=True,
        ),
        Family(
            "rust",
            _words(
                "as async await become box break const continue crate do dyn else enum extern false fn for if impl in"
                " let loop macro match mod move mut pub ref return self Self static struct super trait true type union"
                " unsafe unsized use virtual where while yield"
            ),
            (_C_LINE,),
            (
                Block("/*", "*/", comment=True, lines=True, nested=True, to_end=True),
                Block("r", '"', lines=True, fence="#"),
                Block("br", '"', lines=True, fence="#"),
                _DOUBLE,
                Block("'", "'", escape=True, one=True),
            ),
            prefixes="bc",
        ),
        Family(
            "csharp",
            _words(
                "abstract as async await base bool break byte case catch char checked class const continue decimal"
                " default delegate do double else enum event explicit extern false finally fixed float for foreach goto"
                " if implicit in int interface internal is lock long namespace new null object operator out override"
                " params private protected public readonly record ref return sbyte sealed short sizeof stackalloc"
                " static string struct switch this throw true try typeof uint ulong unchecked unsafe ushort using var"
                " virtual void volatile when where while yield"
            ),
            (_C_LINE,),
            (
                _C_BLOCK,
                Block('"""', '"""', lines=True),
                Block('@"', '"', doubled=True, lines=True),
                Block('$@"', '"', doubled=True, lines=True),
                Block('@$"', '"', doubled=True, lines=True),
                Block('$"', '"', escape=True),
                _DOUBLE,
                _SINGLE,
            ),
        ),
        Family(
            "ruby",
            _words(
                "BEGIN END alias and begin break case class def do else elsif end ensure false for if in module next"
                " nil not or redo rescue retry return self super then true undef unless until when while yield"
            ),
            (LineComment("#", blank_before=True),),
            (_DOUBLE, _SINGLE),
        ),
        Family(
            "php",
            _words(
                "abstract and array as break callable case catch class clone const continue declare default do echo"
                " else elseif empty enum extends false final finally fn for foreach function global goto if implements"
                " include include_once instanceof insteadof interface isset list match namespace new null or print"
                " private protected public readonly require require_once return static switch throw trait true try"
                " unset use var while xor yield"
            ),
            (_C_LINE, LineComment("#", blank_before=True, blank_after=True)),
            (_C_BLOCK, _DOUBLE, _SINGLE),
        ),
        Family(
            "shell",
            _words(
                "break case continue do done elif else esac exit export fi for function if in local readonly return"
                " select set shift source then trap unset until while"
            ),
            (LineComment("#", blank_before=True),),
            (_DOUBLE, Block("'", "'")),
        ),
        Family(
            "sql",
            _words(
                "add all alter and as asc begin between by case check commit create cross database default delete desc"
                " distinct drop else end exists foreign from full function grant group having if in index inner insert"
                " into is join key left like limit not null offset on or order outer primary procedure references"
                " returning right rollback select set table then trigger union unique update using values view when"
                " where with"
            ),
            (LineComment("--"),),
            (_C_BLOCK, Block("'", "'", doubled=True), Block('"', '"', doubled=True)),
        ),
        Family("markup", frozenset(), (), (_MARKUP, Block('"', '"'), Block("'", "'"))),
        Family("css", frozenset(), (), (_C_BLOCK, _DOUBLE, _SINGLE)),
        Family("data", _words("true false null"), (LineComment("#", blank_before=True),), (_DOUBLE, _SINGLE)),
        Family("text", frozenset(), (), ()),
        Family(
            "generic",
            CORE,
            (
                LineComment("//", not_after=":"),
                LineComment("#", blank_before=True, blank_after=True),
                LineComment("--", blank_before=True, blank_after=True),
            ),
            (
                Block("/*", "*/", comment=True, lines=True),
                Block("<!--", "-->", comment=True, lines=True),
                _TRIPLE,
                _TRIPLE_SINGLE,
                _DOUBLE,
                _SINGLE,
                _BACKTICK,
            ),
            prefixes="rRbBuUfFL",
            docstrings=True,
        ),
    )
}
"""Every family by name. ``generic`` is what is used where nothing better is known."""

GENERIC = FAMILIES["generic"]

_EXTENSIONS = {
    extension: family
    for family, extensions in {
        "python": "py pyi pyx pxd pyw",
        "javascript": "js mjs cjs jsx",
        "typescript": "ts mts cts tsx vue svelte",
        "java": "java kt kts scala groovy gradle",
        "go": "go",
        "c": "c h s dts dtsi dtso",
        "cpp": "cc cpp cxx c++ hh hpp hxx h++ ipp inl cu cuh m mm",
        "rust": "rs",
        "csharp": "cs",
        "ruby": "rb rake gemspec",
        "php": "php phtml",
        "shell": "sh bash zsh ksh fish",
        "sql": "sql",
        "markup": "html htm xhtml xml xsl xslt svg xaml",
        "css": "css scss sass less",
        "data": "yaml yml toml ini cfg conf properties json",
        "text": "txt md rst markdown adoc tex csv tsv",
    }.items()
    for extension in extensions.split()
}

_NAMES = {
    name: family
    for family, names in {
        "python": "python,cython,starlark",
        "javascript": "javascript,jsx",
        "typescript": "typescript,tsx,vue,svelte",
        "java": "java,kotlin,scala,groovy,gradle",
        "go": "go",
        "c": "c,devicetree",
        "cpp": "c++,cpp,cuda,objective-c,objective-c++",
        "rust": "rust",
        "csharp": "c#,c-sharp,csharp",
        "ruby": "ruby",
        "php": "php",
        "shell": "shell,bash",
        "sql": "sql,plpgsql,plsql,tsql",
        "markup": "html,xml,svg",
        "css": "css,scss,sass,less",
        "data": "json,yaml,toml,ini",
        "text": "text,markdown,restructuredtext,asciidoc,tex,csv",
    }.items()
    for name in names.split(",")
}
"""Families by names of languages (linguist's, and those of published corpora), in lower case."""


def by_path(path: str) -> Family | None:
    """Return the family that the extension of ``path`` names, or None if it names none."""
    suffix = PurePosixPath(path).suffix
    return FAMILIES[_EXTENSIONS[suffix[1:].lower()]] if suffix[1:].lower() in _EXTENSIONS else None


# Signs of a family in text and what one occurrence counts; set by hand, checked on packages of every language.
# What may repeat next to what may repeat is bounded: hostile text would take quadratic time.
_BRACES = (r"[;{}]$", -1.0)  # speaks against a language whose lines do not end so
_SIGNS: dict[str, tuple[tuple[str, float], ...]] = {
    "python": (
        (r"^[ \t]*(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(", 5),
        (r"^[ \t]*(?:if|elif|else|for|while|try|except|finally|with|class)\b[^\n{};]*:[ \t]*(?:#[^\n]*)?$", 3),
        (r"\bself\.\w", 2),
        (r"^[ \t]*(?:from[ \t]+[\w.]+[ \t]+)?import[ \t]+[\w.*(]+(?:[ \t]+as\b[^\n;]*|,[^\n;]*)?$", 3),
        (r"\b(?:None|True|False)\b", 2),
        (r"\b(?:not in|is not|elif|lambda \w*:|isinstance\()", 2),
        (r'^[ \t]*"""', 2),
        _BRACES,
    ),
    "javascript": (
        (r"\b(?:const|let)[ \t]+[\w{\[]", 2),
        (r"===|!==", 3),
        (r"=>[ \t]*[{(\w]", 1.5),
        (r"\bfunction\b[ \t]*\w*[ \t]*\(", 3),
        (r"\b(?:var|typeof|undefined|require\(|module\.exports|prototype)\b", 2),
        (r"^[ \t]*(?:export|import)\b[^\n]*\bfrom[ \t]+['\"]", 4),
    ),
    "typescript": (
        (r"\b(?:const|let)[ \t]+[\w{\[]", 1.9),
        (r"===|!==", 2.9),
        (r"=>[ \t]*[{(\w]", 1.4),
        (r"[\w)\]?][ \t]*:[ \t]*(?:string|number|boolean|any|unknown|void|never)\b", 4),
        (r"^[ \t]*(?:export[ \t]+)?(?:interface|type|declare|enum)[ \t]+\w+", 2.5),
        (r"^[ \t]*(?:public|private|protected|readonly)[ \t]+\w+[?!]?[ \t]*[:(]", 3),
    ),
    "java": (
        (
            r"\b(?:public|private|protected)[ \t]+(?:static[ \t]+|final[ \t]+"
            r"|abstract[ \t]+)*[\w<>\[\], ?]{1,60}[ \t]+\w+[ \t]*[(;={]",
            2.5,
        ),
        (r"^[ \t]*@(?:Override|Nullable|Deprecated|Test|SuppressWarnings)\b", 5),
        (r"\b(?:final|throws|implements|extends|instanceof|boolean|String)\b", 1.2),
        (r"^[ \t]*(?:package|import)[ \t]+(?:static[ \t]+)?[\w.]+(?:\.\*)?;", 4),
        (r"\bnew[ \t]+[A-Z]\w*(?:<[^\n;]*>)?\(", 1),
        (r"\bthrow[ \t]+new\b", 1.5),
    ),
    "go": (
        (r"^[ \t]*func[ \t]*(?:\([^\n)]*\)[ \t]*)?\w*[ \t]*[(\[]", 4),
        (r":=", 2),
        (r"\berr[ \t]*!=[ \t]*nil\b", 5),
        (r"^[ \t]*(?:if|for|switch)[ \t]+[^\n(][^\n]*\{$", 1),
        (r"\b(?:nil|chan|defer|range|interface\{\}|\[\]byte|fmt\.)", 1.5),
        (r"^package[ \t]+\w+$", 5),
    ),
    "c": (
        (r"^[ \t]*#[ \t]*(?:include|define|ifdef|ifndef|endif|if|undef)\b", 3),
        (r"\b(?:uint\d+_t|int\d+_t|size_t|NULL|unsigned|sizeof|struct[ \t]+\w+[ \t]*\*?)", 1.5),
        (r"\b(?:static|const|void|int|char)\b[ \t]+\**\w", 1),
        (r"\w->\w", 1),
        (r"\b(?:char|int|void|\w+_t)[ \t]*\*+[ \t]*\w", 1.5),
    ),
    "cpp": (
        (r"\bstd::", 4),
        (r"\b(?:template|typename)\b[ \t]*<?", 3),
        (r"\b(?:namespace|nullptr|constexpr|virtual|static_cast<|reinterpret_cast<|auto&|const auto|noexcept)", 3),
        (r"^[ \t]*#[ \t]*(?:include|define|ifdef|ifndef|endif|if|undef)\b", 2.5),
        (r"^[ \t]*(?:public|private|protected):", 3),
        (r"\w->\w", 0.7),
        (r"\w::~?\w+\(", 1),
        (r"\b(?:const|void|int|char|bool|size_t)\b[ \t]*[&*]*[ \t]*\w", 0.8),
    ),
    "rust": (
        (r"\bfn[ \t]+\w+[ \t]*[<(]", 5),
        (r"\blet[ \t]+mut\b", 5),
        (r"(?:&mut|&'?\w*self|&self|-> (?:Self|Result|Option)|::<|\bimpl\b|\bpub\b|\bmatch\b)", 2),
        (r"#!?\[\w+", 3),
        (r"\b(?:Some|Ok|Err|None|unwrap|u8|u16|u32|u64|usize|i32|i64|f64|Vec|Self)\b", 1.2),
        (r"\w!\(", 1.5),
        (r"\)\?;", 2),
    ),
    "csharp": (
        (r"^[ \t]*using[ \t]+[\w.]+;", 4),
        (r"\b(?:namespace|readonly|internal|sealed|override|async Task|string|foreach[ \t]*\()", 1.5),
        (r"\{[ \t]*get;", 4),
        (
            r"\bpublic[ \t]+(?:static[ \t]+|override[ \t]+|virtual[ \t]+"
            r"|async[ \t]+)*[\w<>\[\]?]+[ \t]+[A-Z]\w*[ \t]*[({]",
            2,
        ),
        (r'\$"', 2),
    ),
    "ruby": (
        (r"^[ \t]*def[ \t]+(?:self\.)?\w+[?!=]?(?:[ \t]*\([^\n]*\))?$", 4),
        (r"^[ \t]*end$", 2.5),
        (r"\bdo[ \t]*\|", 4),
        (r"\b(?:elsif|unless|nil|attr_\w+|require_relative|puts)\b", 2),
        (r"(?<!\w)@\w+", 0.7),
        (r"(?<![\w:]):[a-z]\w+", 0.5),
        _BRACES,
    ),
    "php": ((r"<\?php", 8), (r"\$\w+", 1.2), (r"\$this->", 3), (r"\bfunction[ \t]+\w+\(", 1)),
    "shell": (
        (r"^#!.*\b(?:ba|z|k|da)?sh\b", 10),
        (r"^[ \t]*(?:fi|done|esac|then)$", 4),
        (r"\bif[ \t]+\[", 4),
        (r"\$\{?\w+", 0.8),
        (r"^[ \t]*(?:echo|export|local|exit|source)\b", 2),
        (r";[ \t]*then$|;[ \t]*do$", 4),
        _BRACES,
    ),
    "sql": (
        (
            r"(?i)^[ \t]*(?:select[ \t]+[\w*,. \t]+from|insert[ \t]+into|(?:create|alter|drop)[ \t]+table"
            r"|delete[ \t]+from)\b",
            4,
        ),
        _BRACES,
    ),
    "markup": (
        (r"</\w+>", 1.5),
        (r"^[ \t]*<\w+(?:[ \t]+[\w:-]+=\"[^\"\n]*\")*[ \t]*/?>", 1),
        _BRACES,
    ),
}

DETECTION_BYTES = 16384
"""How much of a text is looked at to detect its language."""
STORED_DETECTION_BYTES = 4096
"""The same for a text that is indexed: a megabyte takes more than a second."""


@cache
def _compiled_signs() -> tuple[tuple[str, tuple[tuple[re.Pattern[str], float], ...]], ...]:
    return tuple(
        (family, tuple((re.compile(sign, re.MULTILINE), weight) for sign, weight in signs))
        for family, signs in _SIGNS.items()
    )


def detect(text: str) -> Family:
    """Return the family that the text itself speaks for, ``generic`` if none does clearly.

    Every occurrence of a sign counts with its weight, in the first `DETECTION_BYTES` characters. The best family
    must have at least 3 and lead the second by a tenth, unless both are dialects of one language
    (JavaScript and TypeScript, C and C++).
    """
    head = text[:DETECTION_BYTES]
    scores = sorted(
        (
            (sum(weight * len(sign.findall(head)) for sign, weight in signs), family)
            for family, signs in _compiled_signs()
        ),
        key=lambda scored: (-scored[0], scored[1]),
    )
    (best, family), (second, other) = scores[0], scores[1]
    if best < 3:
        return GENERIC
    dialects = {frozenset(("javascript", "typescript")), frozenset(("c", "cpp"))}
    if best < 1.1 * second and frozenset((family, other)) not in dialects:
        return GENERIC
    return FAMILIES[family]


def family_of_stored(text: bytes, source: Source) -> Family:
    """Return the family of a stored text (UTF-8) by its first source: the same at indexing and at comparing.

    Where neither path nor language name one, a text without a language is looked at, one with another is ``generic``.
    """
    if (known := by_path(source.path)) is not None:
        return known
    if source.language:
        return FAMILIES[_NAMES.get(source.language.casefold(), "generic")]
    return detect(text[:STORED_DETECTION_BYTES].decode("utf-8", "replace"))


def family_of(text: str, path: str | None = None) -> Family:
    """Return the family by path where the path tells, else by content."""
    return (by_path(path) if path else None) or detect(text)
