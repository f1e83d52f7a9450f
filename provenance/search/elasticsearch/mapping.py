"""Fields and settings of the index (ARCHITECTURE.md, Elasticsearch), decided by measurement on a node.

One engine document a *cell* of a content, and most contents have one. Nothing is stored, only indexed.
"""

from __future__ import annotations

from typing import Any

VERSION = 2
"""Changes with fields or with the rule of terms; an index of another version is not asked."""

KEYWORDS = (("language", "languages"), ("repository", "repositories"), ("owner", "owners"), ("license", "licenses"))
"""Fields of the index, and what they are called in `Filters` and `Keywords`."""

ORDER = ("part", "content", "start", "end")
"""The order of addresses; the index is sorted like that, so that a page of what is common ends early."""


def index_body(shards: int, replicas: int) -> dict[str, Any]:
    """Return settings and mappings of a new index."""
    keyword = {"type": "keyword", "doc_values": False}
    return {
        "settings": {
            "number_of_shards": shards,
            "number_of_replicas": replicas,
            "refresh_interval": "-1",
            "sort.field": list(ORDER),
            "sort.order": ["asc"] * len(ORDER),
            "analysis": {
                "analyzer": {"terms": {"type": "custom", "tokenizer": "terms"}},
                "tokenizer": {"terms": {"type": "whitespace", "max_token_length": 1024}},
            },
        },
        "mappings": {
            "_meta": {"provenance": VERSION},
            "_source": {"enabled": False},
            "dynamic": "strict",
            "properties": {
                "part": {"type": "keyword"},
                "content": {"type": "integer"},
                "start": {"type": "long", "index": False},
                "end": {"type": "long", "index": False},
                "cell": {"type": "integer", "doc_values": False},
                "alone": {"type": "boolean", "doc_values": False},
                "grams": {"type": "text", "analyzer": "terms", "index_options": "docs", "norms": False},
                "words": {"type": "text", "analyzer": "terms", "index_options": "freqs", "norms": True},
                "fingerprints": {"type": "text", "analyzer": "terms", "index_options": "docs", "norms": False},
                **{name: keyword for name, _ in KEYWORDS},
            },
        },
    }
