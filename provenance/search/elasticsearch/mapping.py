"""Fields and settings of an index (ARCHITECTURE.md, Elasticsearch), decided by measurement on a node.

One engine document a *piece* of a content, and all but huge contents have one. Nothing of it is stored, only indexed.
Where the texts lie on the cluster, too, there is one more document a block of the segment's block file, and of the
lists of its gram file.
"""

from __future__ import annotations

from typing import Any

VERSION = 4
"""Changes with fields or with the rule of terms; an index of another version is not asked."""
PREFIX = f"provenance-{VERSION}-"
"""What names of indices begin with: the template of their version is for those."""
TEMPLATE = f"provenance-{VERSION}"

KEYWORDS = (("language", "languages"), ("repository", "repositories"), ("owner", "owners"), ("license", "licenses"))
"""Fields of the index, and what they are called in `Filters` and `Keywords`."""

ORDER = ("part", "content", "piece")
"""The order of addresses; the index is sorted like that, so that a page of what is common ends early."""


def template() -> dict[str, Any]:
    """Return the index template of this version, but for shards and copies; keys as the client names them."""
    keyword = {"type": "keyword", "doc_values": False}
    settings = {
        "refresh_interval": "-1",
        "sort.field": list(ORDER),
        "sort.order": ["asc"] * len(ORDER),
        "merge.policy.expunge_deletes_allowed": 0,
        # What is asked is nobody's to keep.
        "search.slowlog.threshold.query": {level: "-1" for level in ("warn", "info", "debug", "trace")},
        "search.slowlog.threshold.fetch": {level: "-1" for level in ("warn", "info", "debug", "trace")},
        "analysis": {
            "analyzer": {"terms": {"type": "custom", "tokenizer": "terms"}},
            "tokenizer": {"terms": {"type": "whitespace", "max_token_length": 1024}},
        },
    }
    mappings = {
        "_meta": {"provenance": VERSION},
        "_source": {"enabled": False},
        "dynamic": "strict",
        "properties": {
            "part": {"type": "keyword"},
            "content": {"type": "integer"},
            "piece": {"type": "integer"},
            "words": {"type": "text", "analyzer": "terms", "index_options": "freqs", "norms": True},
            "fingerprints": {"type": "text", "analyzer": "terms", "index_options": "docs", "norms": False},
            **{name: keyword for name, _ in KEYWORDS},
            "frame": {"type": "binary", "store": True},
        },
    }
    return {
        "index_patterns": [f"{PREFIX}*"],
        "version": VERSION,
        "priority": 500,
        "template": {"settings": settings, "mappings": mappings},
        "meta": {"description": "one index of corpus-provenance"},
    }
