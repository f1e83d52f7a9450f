"""Filling in the middle, as StarCoder was trained to: what comes before and behind, in one prompt.

The form is that of Bavarian et al. (arXiv 2207.14255) with the tokens of StarCoder's tokenizer: prefix, suffix, then
the middle is written. Prompts of models whose tokens are spelt a little differently are recognised as well.
"""

from __future__ import annotations

import re

FIM_TOKENS = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
_FORM = re.compile(
    r"<\|?fim[_-]prefix\|?>(?P<prefix>.*?)<\|?fim[_-]suffix\|?>(?P<suffix>.*?)<\|?fim[_-]middle\|?>\Z", re.DOTALL
)


def fim_prompt(prefix: str, suffix: str) -> str:
    """Return the prompt that asks for what stands between two texts."""
    before, behind, middle = FIM_TOKENS
    return f"{before}{prefix}{behind}{suffix}{middle}"


def read_on(prompt: str) -> str:
    """Return a prompt as a text that its answer goes on from: of one in StarCoder's form the prefix comes last."""
    form = _FORM.search(prompt)
    if form is None:
        return prompt
    return f"{prompt[: form.start()]}{form['suffix']}\n{form['prefix']}"
