"""Code as tokens, symbols and fingerprints: what survives editing. The packages' modules are the interface."""
