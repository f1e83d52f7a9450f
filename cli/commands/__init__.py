"""One module a verb, imported when the verb is used; each has one function, ``command``."""
