"""The programming language of a file, from its name, its first line, or a few telling words.

Names of languages are those of GitHub's linguist, so that they agree with the columns of published corpora. The
table holds facts (which suffix, file name or interpreter belongs to which language) as linguist's data knows them
too; where linguist would weigh the whole content, a stated word in the first bytes decides, or else the language
that is more common in public code. Devicetree is ours: linguist has no name for it.

The order: whole file name, suffix of two parts (`.blade.php`), last suffix, then the interpreter of a `#!` line.
"""

from __future__ import annotations

import re

# Language: suffixes; then after "|" whole file names; then after "|" interpreters.
_TABLE = """
ABAP: abap
ActionScript: as
Ada: adb ads ada
Agda: agda
Alpine Abuild: | APKBUILD
ANTLR: g4
AsciiDoc: adoc asciidoc
Assembly: asm s nasm a51
Astro: astro
Augeas: aug
AutoHotkey: ahk ahkl
AutoIt: au3
Awk: awk gawk mawk nawk auk | | awk gawk mawk nawk
Ballerina: bal
Batchfile: bat cmd
BibTeX: bib bibtex
Bicep: bicep
Bison: bison
BitBake: bb bbclass
Blade: blade blade.php
Bluespec: bsv
C: c h cats idc
C#: cs csx cake
C++: cpp cc cxx c++ hpp hh hxx h++ ipp inl tcc tpp ixx cppm txx ino
Cairo: cairo
Cap'n Proto: capnp
Chapel: chpl
Clojure: clj cljs cljc cljx boot | | bb
CMake: cmake cmake.in | CMakeLists.txt
COBOL: cob cbl cobol cpy ccp
CODEOWNERS: | CODEOWNERS
CoffeeScript: coffee cjsx iced | Cakefile | coffee
ColdFusion: cfm cfml
Common Lisp: lisp lsp asd ny podsl | | sbcl ccl clisp ecl
Csound: orc
CSS: css
CSV: csv
Cuda: cu cuh
CUE: cue
Cython: pyx pxd pxi
D: d di | | rdmd
Dafny: dfy
Dart: dart | | dart
Devicetree: dts dtsi dtso
Dhall: dhall
Diff: diff patch
Dockerfile: dockerfile containerfile | Dockerfile Containerfile
DTrace: | | dtrace
EditorConfig: | .editorconfig
Eiffel: e
EJS: ejs ect
Elixir: ex exs | mix.lock | elixir
Elm: elm
Emacs Lisp: el emacs | .emacs .spacemacs Cask
Erlang: erl hrl escript app.src xrl yrl | rebar.config rebar.lock | escript
F#: fs fsi fsx
F*: fst
Factor: factor
Fennel: fnl
fish: fish | | fish
Forth: fth 4th forth frt
Fortran: f for f77
Fortran Free Form: f90 f95 f03 f08
Futhark: fut
GAP: gap gd gi
GDB: gdb gdbinit
GDScript: gd
Gentoo Ebuild: ebuild
Gentoo Eclass: eclass
Gherkin: feature
Git Config: | .gitconfig .gitmodules
Gleam: gleam
GLSL: glsl frag vert geom tesc tese vsh fsh rchit rmiss fshader vshader
Gnuplot: gnuplot gp plt
Go: go
Go Checksums: | go.sum
Go Module: | go.mod
Go Workspace: | go.work
Gradle: gradle
GraphQL: graphql gql graphqls
Graphviz (DOT): dot gv
Groovy: groovy grt gtpl gvy | Jenkinsfile | groovy
Hack: hack hhi
Haml: haml
Handlebars: hbs handlebars
Haskell: hs hs-boot hsc | | runghc runhaskell runhugs
Haxe: hx hxsl
HCL: hcl nomad tf tfvars tofu
HLSL: hlsl fx fxh hlsli cginc
HTML: html htm xht xhtml html.hl
HTML+ERB: erb rhtml
HTML+PHP: phtml
HTML+Razor: cshtml razor
Hy: hy | | hy
IDL: dlm
Idris: idr lidr
Ignore List: gitignore | .gitignore .dockerignore .npmignore .eslintignore .prettierignore
INI: ini cfg prefs lektorproject | .flake8 .pylintrc .coveragerc pylintrc
Io: io
Isabelle: thy
J: ijs
Janet: janet
Java: java jav
Java Properties: properties
Java Server Pages: jsp tag
JavaScript: js mjs cjs jsx es6 es jsm jss | Jakefile | node nodejs bun rhino
Jinja: jinja jinja2 j2
jq: jq | | jq
JSON: json webmanifest geojson topojson gltf har avsc mcmeta | composer.lock Pipfile.lock flake.lock
JSON with Comments: jsonc code-workspace sublime-settings | .eslintrc.json tsconfig.json .babelrc .jshintrc .eslintrc
JSON with Comments: | jsconfig.json
JSON5: json5
JSONLD: jsonld
Jsonnet: jsonnet libsonnet
Julia: jl | | julia
Jupyter Notebook: ipynb
Just: just | justfile Justfile
KiCad Layout: kicad_pcb
Kotlin: kt kts ktm | | kotlin
Lean: lean
Less: less
Lex: l
LFE: lfe
Linker Script: ld lds
Liquid: liquid
Literate Haskell: lhs
LiveScript: ls | Slakefile
LLVM: ll
Lua: lua p8 rockspec wlua nse | .luacheckrc | lua luajit
Luau: luau
M4: m4 mc
M4Sugar: | configure.ac
Makefile: mak mk mkfile makefile | Makefile makefile GNUmakefile Kbuild Makefile.am Makefile.in BSDmakefile | make
Mako: mako mao
Markdown: md markdown mkd mdown mdwn mkdn livemd ronn workbook
Maven POM: | pom.xml
MDX: mdx
Meson: | meson.build meson_options.txt
Metal: metal
mIRC Script: mrc
MLIR: mlir
Modula-2: mod
Modula-3: i3 m3 ig mg
Mojo: mojo
Move: move
Mustache: mustache
nesC: nc
Nextflow: nf
Nim: nim nims nimble nimrod | nim.cfg
Nix: nix
NSIS: nsi nsh
Nunjucks: njk
Nushell: nu
Objective-C: m
Objective-C++: mm
OCaml: ml mli mll mly eliom ml4 | | ocaml ocamlrun
Odin: odin
Open Policy Agent: rego
OpenCL: cl opencl
OpenEdge ABL: p
OpenQASM: qasm
OpenSCAD: scad
Org: org
Oz: oz
Pascal: pas dpr lpr pascal dfm
PEG.js: pegjs peggy
Perl: pl pm t perl ph al plx psgi | cpanfile Makefile.PL Rexfile | perl
PHP: php php3 php4 php5 phps phpt aw ctp inc | .php_cs | php
Pkl: pkl
PLpgSQL: pgsql
PLSQL: pks pkb pls plb plsql
Pony: pony
PostScript: ps eps epsi
PowerShell: ps1 psm1 psd1 | | pwsh powershell
Processing: pde
Prolog: prolog pro yap | | swipl
Protocol Buffer: proto
Pug: pug jade
Puppet: pp | Modulefile
PureScript: purs
Pyret: arr
Python: py pyi pyw pyde py3 gypi wsgi xpy tac lmi gyp | SConstruct SConscript wscript | python pypy pypy3
QML: qml qbs
R: r rsx rd | .Rprofile | Rscript
Racket: rkt rktd rktl scrbl | | racket
Raku: raku rakumod p6 pl6 pm6 6pl nqp | | raku perl6
RDoc: rdoc
Reason: re rei
Rebol: reb rebol
Ren'Py: rpy
RenderScript: rsh
ReScript: res resi
reStructuredText: rst rest rest.txt rst.txt
Rich Text Format: rtf
Ring: ring
RMarkdown: rmd qmd
RobotFramework: robot resource
Rocq Prover: coq
Roff: roff man 1 1m 1x 2 3 3p 4 5 6 7 8 9 mdoc ms tmac
RPM Spec: spec
Ruby: rb rake gemspec ru rbw podspec jbuilder thor rabl rbx rbi builder | Gemfile Rakefile Vagrantfile Podfile
Ruby: | Fastfile Guardfile Capfile Brewfile .irbrc .pryrc | ruby jruby rake
Rust: rs rs.in | | rust-script
Sage: sage
SAS: sas
Sass: sass
Scala: scala sc sbt | | scala
Scheme: scm ss sld sls sps | | guile chicken scheme gosh
SCSS: scss
sed: sed | | sed
Self: self
Shell: sh bash zsh ksh bats command tmux tool sh.in zsh-theme | .bashrc .zshrc .profile .bash_profile .bash_aliases
Shell: | .zshenv PKGBUILD gradlew | sh bash dash zsh ksh ash mksh
Slim: slim
Smali: smali
Smalltalk: st
Smarty: tpl
SmPL: cocci
SMT: smt2 smt
Snakemake: smk snakefile | Snakefile
Solidity: sol
SourcePawn: sp
SQL: sql ddl mysql udf prc viw
Squirrel: nut
Stan: stan
Standard ML: sml sig fun
Starlark: bzl star | BUILD BUILD.bazel WORKSPACE WORKSPACE.bazel MODULE.bazel Tiltfile
Stata: do ado doh mata ihlp matah
Stylus: styl
SubRip Text: srt
SuperCollider: scd
Svelte: svelte
SVG: svg
Swift: swift | | swift
SWIG: i swg swig
SystemVerilog: sv svh vh
Tcl: tcl adp tm | | tclsh wish expect
Tcsh: csh tcsh | | csh tcsh
TeX: tex sty cls ltx dtx ins bbx cbx toc
Text: txt
Thrift: thrift
TLA: tla
TOML: toml | Cargo.lock Pipfile poetry.lock uv.lock Gopkg.lock
TSV: tsv
TSX: tsx
Turtle: ttl
Twig: twig
TypeScript: ts mts cts | | deno ts-node tsx
Typst: typ
UnrealScript: uc
Vala: vala vapi
VBA: vba
VBScript: vbs
Velocity Template Language: vtl
Verilog: v veo
VHDL: vhd vhdl vhi vho vht
Vim script: vim vmb | .vimrc _vimrc .gvimrc .exrc vimrc
Visual Basic .NET: vb vbhtml
Visual Basic 6.0: bas frm ctl
Vue: vue
Vyper: vy
WebAssembly: wat wast
WebIDL: webidl
WGSL: wgsl
Wolfram Language: mathematica wl wls wlt
Wren: wren
XML: xml xsd wsdl xlf xliff xul xaml csproj vcxproj fsproj vbproj props targets nuspec resx rss kml gpx axml
XML: storyboard xib dita jelly launch | .classpath .project
XML Property List: plist
Xojo: xojo_code
XProc: xpl
XQuery: xquery xq xqm xqy xql
XS: xs
XSLT: xsl xslt
Yacc: y yacc yy
YAML: yml yaml mir reek rviz sublime-syntax syntax | .clang-format .clang-tidy .gemrc yarn.lock CITATION.cff
YAML: | glide.lock
Yul: yul
Zig: zig zig.zon
"""


def _tables() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    suffixes: dict[str, str] = {}
    names: dict[str, str] = {}
    interpreters: dict[str, str] = {}
    for line in _TABLE.strip().splitlines():
        language, _, rest = line.partition(":")
        for table, words in zip((suffixes, names, interpreters), rest.split("|"), strict=False):
            for word in words.split():
                table.setdefault(word, language)
    return suffixes, names, interpreters


LANGUAGES = tuple(dict.fromkeys(line.partition(":")[0] for line in _TABLE.strip().splitlines()))
"""All names that `language_of` gives."""
_SUFFIXES, _NAMES, _INTERPRETERS = _tables()


# What tells languages that share a suffix apart: (needles, pattern, language), tried in order. A pattern is searched
# only if one of its needles occurs, because a search for line starts costs a hundred times more than one for bytes.
_TELLING: dict[str, tuple[tuple[tuple[bytes, ...], re.Pattern[bytes], str], ...]] = {
    suffix: tuple((tuple(needles.split()), re.compile(pattern, re.M), language) for needles, pattern, language in rules)
    for suffix, rules in {
        "h": (
            (b"#import @interface @class", rb"^[ \t]*(?:@(?:interface|class)|#import)\b", "Objective-C"),
            (
                b"class namespace template public: std::",
                rb"^[ \t]*(?:(?:class|namespace)\s+\w|template\s*<|public:)|\bstd::",
                "C++",
            ),
        ),
        "m": (
            (b"@ #", rb"^[ \t]*(?:@(?:interface|implementation|import|class)|#import|#include)\b", "Objective-C"),
            (b"function % classdef =", rb"^[ \t]*(?:function\b|%|classdef\b|\w+[ \t]*=.*;[ \t]*$)", "MATLAB"),
        ),
        "ts": ((b"<?xml <TS", rb"\A\s*<\?xml|^<TS\b", "XML"),),
        "tsx": ((b"<?xml", rb"\A\s*<\?xml", "XML"),),
        "rs": ((b"<?xml", rb"\A\s*<\?xml", "XML"),),
        "pl": (
            (b":-", rb"^[ \t]*:-\s|^[a-z]\w*\([^)\n]*\)\s*:-", "Prolog"),
            (b"v6", rb"^[ \t]*use\s+v6\b", "Raku"),
        ),
        "v": (
            (
                b"Require Proof Lemma Theorem Qed Definition Inductive",
                rb"^[ \t]*(?:Require|Proof|Lemma|Theorem|Qed|Definition|Inductive)\b",
                "Rocq Prover",
            ),
        ),
        "inc": (
            (b"<?", rb"<\?(?:php|=)", "PHP"),
            (b"#", rb"^[ \t]*#[ \t]*(?:include|define|ifdef|ifndef|if)\b", "C++"),
            (b"SUMMARY DESCRIPTION inherit require", rb"^(?:SUMMARY|DESCRIPTION|inherit|require)\b", "BitBake"),
            (b". % ;", rb"^[ \t]*[.%;]", "Assembly"),
        ),
        "cls": (
            (b"\\", rb"\\(?:ProvidesClass|NeedsTeXFormat|LoadClass)", "TeX"),
            (b"VERSION", rb"\bVERSION 1\.0 CLASS", "Visual Basic 6.0"),
        ),
        "fs": ((b"#version uniform varying precision", rb"^[ \t]*(?:#version|uniform|varying|precision)\b", "GLSL"),),
        "cl": ((b"(def (in-package", rb"^[ \t]*\((?:def|in-package)", "Common Lisp"),),
        "md": ((b"(define_", rb"^\(define_(?:insn|expand|attr)", "GCC Machine Description"),),
        "pp": ((b"unit program interface uses", rb"^[ \t]*(?:unit|program|interface|uses)\b", "Pascal"),),
        "d": (
            (b"#pragma :", rb"^#pragma\s+D\b|^\w+:\w*:\w*:", "DTrace"),
            (b".o:", rb"^\S+\.o:", "Makefile"),
        ),
        "gd": ((b"extends class_name func @", rb"^(?:extends|class_name|func|@tool|@export)\b", "GDScript"),),
        "sql": ((b"$$", rb"\$\$\s*(?:LANGUAGE|BEGIN)", "PLpgSQL"),),
        "mod": (
            (b"MODULE", rb"^[ \t]*(?:(?:IMPLEMENTATION|DEFINITION)[ \t]+)?MODULE\b", "Modula-2"),
            (b"<?xml", rb"\A\s*<\?xml", "XML"),
        ),
        "p": ((b"plot", rb"^[ \t]*s?plot\s", "Gnuplot"),),
        "yy": ((b"{", rb"\A\s*\{", "JSON"),),
    }.items()
}
_NO_LANGUAGE = frozenset({"inc", "cls"})
"""Suffixes that say nothing by themselves."""
_SHEBANG = re.compile(rb"\A#!\s*(\S+)(?:\s+(?:-\S+\s+)*(\S+))?")
_VERSION = re.compile(r"[-\d.]+\Z")


def language_of(path: str, head: bytes) -> str | None:
    """Return the language of a file named ``path`` that begins with ``head``, or None where nothing tells."""
    name = path[path.rfind("/") + 1 :]
    language = _NAMES.get(name)
    if language is not None:
        return language
    dot = name.rfind(".")
    if dot >= 0:
        ending = name[dot + 1 :].lower()
        if dot > 0:
            before = name.rfind(".", 0, dot)
            if before >= 0:
                language = _SUFFIXES.get(name[before + 1 :].lower())
                if language is not None:
                    return language
        rules = _TELLING.get(ending)
        if rules is not None:
            for needles, pattern, told in rules:
                if any(needle in head for needle in needles) and pattern.search(head):
                    return told
            if ending in _NO_LANGUAGE:
                return None
        language = _SUFFIXES.get(ending)
        if language is not None:
            return language
    return _by_interpreter(head) if head.startswith(b"#!") else None


def _by_interpreter(head: bytes) -> str | None:
    found = _SHEBANG.match(head[:256])
    if found is None:
        return None
    program = found[1].rsplit(b"/", 1)[-1]
    if program == b"env" and found[2] is not None:
        program = found[2]
    name = program.decode("ascii", "replace")
    return _INTERPRETERS.get(name) or _INTERPRETERS.get(_VERSION.sub("", name))
