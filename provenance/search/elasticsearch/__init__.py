"""The cluster engine: grams, words and keywords of every content in one index of an Elasticsearch 8 or 9 cluster."""
