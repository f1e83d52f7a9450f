"""One choice of an OpenAI-compatible answer under guard, whole or in deltas."""

from __future__ import annotations

import asyncio
from typing import Any

from provenance.guard.guarded import Guard, retried
from provenance.guard.openai_shapes import (
    FILTERED,
    TEXT_FIELDS,
    argument_strings,
    called,
    calls_of,
    citations,
    join_parts,
    keep_known,
    labels,
)
from provenance.guard.session import Release, Session
from provenance.guard.wire import Halves

_ANSWERS = ("content", "text")


class GuardedChoice:
    """Guards all text of one choice: every text field has a session of its own, tool calls have one together."""

    def __init__(self, guard: Guard, prompt: str, index: int, answer: str, *, followed: bool = False) -> None:
        """Begin choice ``index`` of an answer to ``prompt``; ``answer`` is its id in the audit.

        ``followed``: somebody asks for `news`.
        """
        self.index = index
        self.sessions: dict[str, Session] = {}
        self.over = False
        self._said: bool = False
        self._guard = guard
        self._prompt = prompt
        self._answer = f"{answer}-{index}"
        self._followed = followed
        self._told = 0
        self._calls: list[dict[str, Any]] = []
        self._arguments: dict[int, list[str]] = {}
        self._labels: list[str] = []
        self._halves: dict[str, Halves] = {}

    @property
    def ended(self) -> bool:
        """Tell whether the guard ended this choice."""
        return any(session.ending in ("ended", "failed") for session in self.sessions.values())

    @property
    def wants_another(self) -> bool:
        """Tell whether the policy wants another sample."""
        return any(retried(session) for session in self.sessions.values())

    @property
    def silent(self) -> bool:
        """Tell whether a policy that keeps text back rules here."""
        return self._guard.policy.blocks

    def news(self) -> bool:
        """Tell whether copies were judged since this was asked last."""
        judged = sum(session.judged for session in self.sessions.values())
        told, self._told = self._told, judged
        return judged > told

    async def whole(self, choice: dict[str, Any]) -> None:
        """Guard a complete choice, in place."""
        if self.silent:
            keep_known(choice, "message")
        message = choice.get("message")
        texts = choice if message is None else message
        join_parts(texts)
        for field in ("text",) if message is None else TEXT_FIELDS:
            if isinstance(texts.get(field), str):
                texts[field] = await self._all(field, texts[field])
        if isinstance(message, dict):
            calls = calls_of(message)
            if calls:
                for call in calls:
                    self._arguments.setdefault(len(self._arguments), []).append(called(call))
                    self._labels += labels(call)
                await self._check_calls()
                if self.ended:
                    message.pop("tool_calls", None)
                    message.pop("function_call", None)
        self._close(choice)
        if isinstance(message, dict):
            found = self._citations()
            if found:
                message["annotations"] = [*(message.get("annotations") or []), *found]

    async def delta(self, choice: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the choices to send on for one that came; none where all of it has to wait."""
        if self.over:
            return []
        if self.silent:
            keep_known(choice, "delta")
            choice["logprobs"] = None  # they would spell out what is held back
        delta = choice.get("delta")
        texts = choice if delta is None else delta
        join_parts(texts)
        for field in ("text",) if delta is None else TEXT_FIELDS:
            if isinstance(texts.get(field), str):
                texts[field] = (await self._feed(field, texts[field])).text
        if isinstance(delta, dict):
            self._take_calls(delta)
        if self.ended:
            return self._last(choice, texts)
        if choice.get("finish_reason") is not None:
            return await self._finished(choice, texts)
        self._said = self._said or any(texts.get(field) for field in _ANSWERS)
        return [choice] if _says(texts) else []

    async def cut_short(self) -> list[dict[str, Any]]:
        """Return what is left to send of a choice whose upstream ended without finishing it."""
        if self.over or not self.sessions:
            return []
        texts = {field: await self._finish(field) for field in list(self.sessions)}
        self.over = True
        return [self._shaped({name: text for name, text in texts.items() if text}, None)] if any(texts.values()) else []

    async def _finished(self, choice: dict[str, Any], texts: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the last choices: the text that was held, the calls that were, and why the answer ended."""
        rest = {}
        for field in list(self.sessions):
            held = await self._finish(field)
            rest[field] = (texts.pop(field, None) or "") + held
        out = [self._shaped({name: text for name, text in rest.items() if text}, None)] if any(rest.values()) else []
        if self._arguments:
            await self._check_calls()
            if not self.ended:
                out += [{"index": self.index, "delta": delta, "finish_reason": None} for delta in self._calls]
        self._said = self._said or bool(out)
        return [*out, *self._last(choice, texts)]

    def _last(self, choice: dict[str, Any], texts: dict[str, Any]) -> list[dict[str, Any]]:
        self.over = True
        if self.ended and not self._said and not any(texts.get(field) for field in _ANSWERS):
            texts["content" if "delta" in choice else "text"] = self._guard.policy.abstention
        self._close(choice)
        if "delta" in choice:
            found = self._citations()
            if found:
                texts["annotations"] = found
        return [choice]

    def _close(self, choice: dict[str, Any]) -> None:
        if self.ended:
            choice["finish_reason"] = FILTERED
        if self.silent and choice.get("logprobs") is not None:
            choice["logprobs"] = None
        for session in self.sessions.values():
            self._guard.tally.answered(session.ending or "complete")

    def _take_calls(self, delta: dict[str, Any]) -> None:
        """Gather the arguments of calls; with a policy that keeps text back they wait for their end."""
        for call in calls_of(delta):
            number = call.get("index") if isinstance(call.get("index"), int) else 0
            self._arguments.setdefault(number or 0, []).append(called(call))
            self._labels += labels(call)
        if self.silent:
            held = {name: delta.pop(name) for name in ("tool_calls", "function_call") if delta.get(name)}
            if held:
                self._calls.append(held)

    async def _check_calls(self) -> None:
        session = self._session("tool_calls")
        texts = [text for parts in self._arguments.values() for text in argument_strings("".join(parts))] + self._labels

        def check() -> None:
            for text in texts:
                session.feed(f"{text}\n\n")
            session.finish()

        await asyncio.to_thread(check)

    async def _all(self, field: str, text: str) -> str:
        session = self._session(field)
        halves = Halves()
        joined = halves.feed(text) + halves.finish()

        def both() -> str:
            return session.feed(joined).text + session.finish().text

        out = await asyncio.to_thread(both)
        if session.ending == "ended" and not out.strip():
            return self._guard.policy.abstention
        return out

    async def _feed(self, field: str, piece: str) -> Release:
        session = self._session(field)
        piece = self._halves.setdefault(field, Halves()).feed(piece)
        if session.quiet(piece):
            return session.feed(piece)
        return await asyncio.to_thread(session.feed, piece)

    async def _finish(self, field: str) -> str:
        session = self.sessions[field]
        half = self._halves[field].finish() if field in self._halves else ""

        def run() -> str:
            return (session.feed(half).text if half else "") + session.finish().text

        return run() if session.quiet(half) else await asyncio.to_thread(run)

    def _session(self, field: str) -> Session:
        if field not in self.sessions:
            self.sessions[field] = self._guard.session(
                self._prompt, answer=f"{self._answer}-{field}", followed=self._followed
            )
        return self.sessions[field]

    def _citations(self) -> list[dict[str, Any]]:
        return citations(self.sessions["content"]) if "content" in self.sessions else []

    def _shaped(self, texts: dict[str, str], finish: str | None) -> dict[str, Any]:
        if "text" in self.sessions:
            return {"index": self.index, "text": texts.get("text", ""), "logprobs": None, "finish_reason": finish}
        return {"index": self.index, "delta": texts, "finish_reason": finish}


def _says(texts: dict[str, Any]) -> bool:
    """Tell whether a delta says anything beside empty text."""
    if "text" in texts and "index" in texts:
        return bool(texts["text"])
    return any(value not in (None, "", []) for value in texts.values())
