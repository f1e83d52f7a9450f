"""The parts of OpenAI's completion and chat-completion objects that the guard reads and writes.

Generated text stands in ``text`` of a choice (completions), in ``content``, ``refusal`` and the reasoning fields of a
message or delta, and in the arguments of tool calls, which are JSON whose strings may be code.
What the guard adds: ``attribution`` beside ``choices``, and ``url_citation`` annotations on messages. Both pass strict
validation by the official client, which keeps unknown fields of objects but not unknown kinds of annotation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provenance.guard.session import Session

TEXT_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")
"""Fields of a message or delta that hold generated text; the second and third are extensions of servers."""
FILTERED = "content_filter"
"""Why an answer ended, in OpenAI's words, where the guard ended it."""


def error_body(message: str, kind: str, code: str) -> dict[str, Any]:
    """Return an error in OpenAI's shape."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def prompts_of(body: Mapping[str, Any]) -> list[str]:
    """Return the prompts of a request, one an answer group; token ids, which nobody here can read, are left out."""
    if "messages" in body:
        return ["\n".join(_message_texts(body["messages"]))]
    prompt = body.get("prompt", "")
    suffix = body.get("suffix")
    listed = prompt if isinstance(prompt, list) and any(isinstance(each, (str, list)) for each in prompt) else [prompt]
    more = f"\n{suffix}" if isinstance(suffix, str) else ""
    # The suffix comes first, so that an answer still follows the prompt's end.
    return [f"{more}\n{each}" if more else each if isinstance(each, str) else "" for each in listed] or [""]


def _message_texts(messages: Any) -> Iterator[str]:
    if not isinstance(messages, list):
        return
    for number, message in enumerate(messages):
        if not isinstance(message, dict):
            continue
        # What a model said before is no text of the user's, unless the answer is to go on from it.
        if message.get("role") == "assistant" and number < len(messages) - 1:
            continue
        content = message.get("content")
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            for part in content:
                if isinstance(part, dict) and isinstance(part.get("text"), str):
                    yield part["text"]


def join_parts(texts: dict[str, Any]) -> None:
    """Make one string of each text field that some servers answer in parts; parts that are no text are dropped."""
    for field in TEXT_FIELDS:
        parts = texts.get(field)
        if isinstance(parts, list):
            texts[field] = "".join(
                part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)
            )


def argument_strings(arguments: str) -> list[str]:
    """Return the strings in the JSON arguments of a tool call; of what is no JSON, the whole."""
    try:
        found: list[str] = []
        waiting: list[Any] = [json.loads(arguments)]
        while waiting:
            value = waiting.pop()
            if isinstance(value, str):
                found.append(value)
            elif isinstance(value, dict):
                waiting.extend(reversed((*value, *value.values())))
            elif isinstance(value, list):
                waiting.extend(reversed(value))
        return found
    except (ValueError, RecursionError):
        return [arguments]


def calls_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the functions that a message or delta calls: tool calls, and the older single call."""
    calls = message.get("tool_calls")
    found = [each for each in calls if isinstance(each, dict)] if isinstance(calls, list) else []
    if isinstance(message.get("function_call"), dict):
        found.append({"index": -1, "function": message["function_call"]})
    return found


def called(call: Mapping[str, Any]) -> str:
    """Return the arguments of a call, or of a custom tool its input."""
    for kind, field in (("function", "arguments"), ("custom", "input")):
        part = call.get(kind)
        if isinstance(part, dict) and isinstance(part.get(field), str):
            return str(part[field])
    return ""


def citations(session: Session) -> list[dict[str, Any]]:
    """Return ``url_citation`` annotations: one a source that has a URL; indices count code points of the text."""
    found = []
    for decision in session.decisions:
        if decision.action != "annotate" or not decision.emitted:
            continue
        for span in decision.evidence:
            for source in span["sources"]:
                if source["url"]:
                    found.append(
                        {
                            "type": "url_citation",
                            "url_citation": {
                                "start_index": span["start"],
                                "end_index": span["end"],
                                "title": f"{source['repository']}/{source['path']}",
                                "url": source["url"],
                                "license": source["license"],
                                "swhid": source["swhid"],
                            },
                        }
                    )
    return found


def attribution(entries: Sequence[tuple[int, Mapping[str, Session]]]) -> dict[str, Any]:
    """Return the top-level ``attribution`` object: for each choice the account of each guarded field."""
    return {
        "schema_version": 1,
        "unit": "start and end count code points of the field, *_byte UTF-8 bytes, *_utf16 UTF-16 units",
        "choices": [
            {"index": index, "fields": {name: session.attribution() for name, session in sessions.items()}}
            for index, sessions in entries
        ],
    }
