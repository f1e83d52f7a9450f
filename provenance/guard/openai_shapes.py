"""The parts of OpenAI's completion and chat-completion objects that the guard reads and writes.

Generated text stands in ``text`` of a choice (completions), in ``content``, ``refusal`` and the reasoning fields of a
message or delta, and in the arguments of tool calls, which are JSON whose strings may be code.
What the guard adds: ``attribution`` beside ``choices``, and ``url_citation`` annotations on messages. Both pass strict
validation by the official client, which keeps unknown fields of objects but not unknown kinds of annotation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from provenance.guard.session import Session

TEXT_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")
"""Fields of a message or delta that hold generated text; the second and third are extensions of servers."""
FILTERED = "content_filter"
"""Why an answer ended, in OpenAI's words, where the guard ended it."""
_FRAME = ("id", "object", "created", "model", "choices", "system_fingerprint", "service_tier")
_CHOICE = ("index", "finish_reason", "logprobs")
_MESSAGE = ("role", *TEXT_FIELDS, "tool_calls", "function_call")
_CALL: Mapping[str, tuple[str, ...]] = {"function": ("name", "arguments"), "custom": ("name", "input")}
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)(?:"|\\?$)', re.DOTALL)
_HALF_ESCAPE = re.compile(r"\\u[0-9A-Fa-f]{0,3}$")


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


def choices_of(answer: Any) -> list[dict[str, Any]]:
    """Return the choices of a completion or of a chunk of one, each with its index. Raises `ValueError` for others."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(choices, list):
        raise ValueError("no list of choices")
    for number, choice in enumerate(choices):
        if not isinstance(choice, dict) or type(choice.setdefault("index", number)) is not int:
            raise ValueError("a choice that is none")
        if not all(isinstance(choice.get(name) or {}, dict) for name in ("message", "delta")):
            raise ValueError("a message that is none")
    return choices


def known_frame(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer or chunk without fields of which nobody knows whether they hold generated text."""
    found = {name: answer[name] for name in _FRAME if name in answer}
    if isinstance(answer.get("usage"), dict):
        found["usage"] = _numbers(answer["usage"])
    return found


def keep_known(choice: dict[str, Any], kind: Literal["message", "delta"]) -> None:
    """Remove from a choice, in place, whatever is neither text that is guarded nor known to be no generated text.

    Its text stands in ``kind``, or where there is none in ``text``.
    """
    body: str = kind if isinstance(choice.get(kind), dict) else "text"
    _keep(choice, (*_CHOICE, body))
    texts = choice if body == "text" else choice[body]
    if body != "text":
        _keep(texts, _MESSAGE)
    join_parts(texts)
    for field in (*TEXT_FIELDS, "text"):
        if not isinstance(texts.get(field, ""), (str, type(None))):
            texts[field] = None
    calls = texts.get("tool_calls")
    if calls is not None:
        texts["tool_calls"] = [each for each in calls if isinstance(each, dict)] if isinstance(calls, list) else []
    for call in texts.get("tool_calls") or ():
        _keep(call, ("index", "id", "type", *_CALL))
        for part, names in _CALL.items():
            if isinstance(call.get(part), dict):
                _keep(call[part], names)
            else:
                call.pop(part, None)
    if isinstance(texts.get("function_call"), dict):
        _keep(texts["function_call"], _CALL["function"])
    else:
        texts.pop("function_call", None)


def _keep(fields: dict[str, Any], names: Sequence[str]) -> None:
    for name in fields.keys() - set(names):
        del fields[name]


def _numbers(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of ``usage`` is numbers, or objects of numbers."""
    return {
        name: _numbers(value) if isinstance(value, dict) else value
        for name, value in fields.items()
        if value is None or isinstance(value, (int, float, dict))
    }


def join_parts(texts: dict[str, Any]) -> None:
    """Make one string of each text field that some servers answer in parts; parts that are no text are dropped."""
    for field in TEXT_FIELDS:
        parts = texts.get(field)
        if isinstance(parts, list):
            texts[field] = "".join(
                part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)
            )


def argument_strings(arguments: str) -> list[str]:
    """Return the strings in the JSON arguments of a tool call; of what is no JSON, the whole and what looks like them.

    Arguments that were cut short are no JSON: the last string then has no end.
    """
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
        return [arguments, *map(_unescaped, _STRING.findall(arguments))]


def _unescaped(literal: str) -> str:
    try:
        return str(json.loads(f'"{_HALF_ESCAPE.sub("", literal)}"', strict=False))
    except ValueError:
        return literal


def calls_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the functions that a message or delta calls: tool calls, and the older single call."""
    calls = message.get("tool_calls")
    found = [each for each in calls if isinstance(each, dict)] if isinstance(calls, list) else []
    if isinstance(message.get("function_call"), dict):
        found.append({"index": -1, "function": message["function_call"]})
    return found


def called(call: Mapping[str, Any]) -> str:
    """Return the arguments of a call, or of a custom tool its input; some servers give them as an object."""
    for kind, (_, field) in _CALL.items():
        part = call.get(kind)
        if isinstance(part, dict) and part.get(field) is not None:
            return part[field] if isinstance(part[field], str) else json.dumps(part[field])
    return ""


def labels(call: Mapping[str, Any]) -> list[str]:
    """Return the strings of a call beside its arguments: models write names, and ids too."""
    parts = [part for part in (call.get(kind) for kind in _CALL) if isinstance(part, dict)]
    found = (call.get("id"), call.get("type"), *(part.get("name") for part in parts))
    return [each for each in found if isinstance(each, str)]


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
