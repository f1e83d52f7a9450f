"""Which problems of a benchmark stand in a corpus: read problems, look for each, report.

`problems` reads the files, `rules` are the rules that corpora were cleaned with, `searching` looks for one problem in
every way that was asked for, `reporting` writes what was found as JSON, CSV or a web page.
"""
