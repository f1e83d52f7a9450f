"""The cluster engine: words, fingerprints and keywords of contents in an index of an Elasticsearch 8 or 9 cluster."""
