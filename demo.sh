#!/bin/sh
# The main job, end to end: index real code, then check, trace and search a snippet of it.
# Usage: demo.sh FOLDER   (the index and the snippet are made there; `provenance` must be on PATH)
set -eu
folder=$1
index=$folder/index
mkdir -p "$folder"

stdlib=$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
packages=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

say() { printf '\n\033[1m$ %s\033[0m\n' "$*" >&2; }
run() { say "$@"; "$@"; }

rm -rf "$index"
run provenance index "$stdlib" "$packages" --index "$index" --corpus-name demo

# A function of the standard library as somebody might paste it: re-indented, and inside other code.
python - "$folder/snippet.py" <<'PYTHON'
import inspect, sys, textwrap
copied = textwrap.indent(textwrap.dedent(inspect.getsource(textwrap.TextWrapper._wrap_chunks)), "\t")
with open(sys.argv[1], "w", encoding="utf-8") as file:
    file.write("class Layout:\n\t# written for the demo\n\n" + copied + "\n\nclass Unrelated:\n\tzorn = quib = None\n")
PYTHON

run provenance check "$folder/snippet.py" --index "$index" --fail-on never
run provenance trace "$folder/snippet.py" --index "$index" --fail-on never --sources 3
run provenance search 'self.drop_whitespace and cur_line' --index "$index"
run provenance info --index "$index"
