// Asks the model, shows its answer as it comes, marks what was copied. Nothing is kept when the page is left.
"use strict";

(() => {
  const form = document.getElementById("question");
  const byId = (id) => document.getElementById(id);
  const [prompt, suffix, ask, stop, forget, state] = ["prompt", "suffix", "ask", "stop", "forget", "state"].map(byId);
  const answers = byId("answers");
  const LABELS = { complete: "Code to go on from", fill: "What comes before", chat: "Your question" };
  const turns = [];
  let running = null;
  let count = 0;

  const mode = () => form.elements.mode.value;
  const say = (words) => { state.textContent = words; };
  const plural = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

  const element = (name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  const arrange = () => {
    document.querySelector('label[for="prompt"]').textContent = LABELS[mode()];
    byId("behind").hidden = mode() !== "fill";
    byId("told").hidden = mode() !== "chat";
    forget.hidden = mode() !== "chat" || !turns.length;
    ask.textContent = mode() === "chat" ? "Ask" : "Write";
  };

  // One answer on the page: its text, its copies, and how it is drawn.
  const place = (question) => {
    count += 1;
    const section = byId("answer").content.firstElementChild.cloneNode(true);
    const number = count;
    const title = mode() === "chat" ? `Answer ${turns.filter((turn) => turn.role === "user").length}` : "Answer";
    section.querySelector("h2").textContent = title;
    section.querySelector(".code").setAttribute("aria-label", `${title}, copies marked`);
    section.querySelector("aside").setAttribute("aria-label", `Matching sources of ${title.toLowerCase()}`);
    if (mode() === "chat") {
      const asked = section.querySelector(".asked");
      asked.textContent = question;
      asked.hidden = false;
    } else {
      answers.replaceChildren();
    }
    answers.prepend(section);
    return { section, number, index: form.elements.index.value, text: "", decided: [], growing: [], drawn: false };
  };

  const rangeOf = (copy, end) => {
    // The filter's range begins and ends a few characters inside of the copy; the evidence is exact.
    if (!copy.emitted) return [copy.start_utf16, copy.end_utf16];
    const starts = copy.evidence.map((each) => each.start_utf16);
    const ends = copy.evidence.map((each) => each.end_utf16);
    return [Math.min(copy.start_utf16, ...starts), Math.min(end, Math.max(copy.end_utf16, ...ends))];
  };

  const draw = (answer) => {
    answer.drawn = false;
    const written = answer.section.querySelector(".written");
    const box = written.parentElement;
    const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
    const end = answer.text.length;
    const copies = [
      ...answer.decided.map((copy) => ({ copy, range: rangeOf(copy, end) })),
      // A copy that is being written goes on to the end of what is there.
      ...answer.growing.map((copy) => ({ copy, range: [rangeOf(copy, end)[0], end] })),
    ];
    const parts = [];
    let at = 0;
    for (const [number, { copy, range }] of [...copies.entries()].sort((a, b) => a[1].range[0] - b[1].range[0])) {
      const start = Math.max(at, range[0]);
      const last = Math.max(start, range[1]);
      parts.push(answer.text.slice(at, start));
      parts.push(element("mark", answer.text.slice(start, last), copy.common ? "common" : ""));
      const link = element("a", `[${number + 1}]`, "reference");
      link.href = `#copy-${answer.number}-${number + 1}`;
      link.setAttribute("aria-label", `Sources of copy ${number + 1}`);
      parts.push(link);
      at = last;
    }
    parts.push(answer.text.slice(at));
    written.replaceChildren(...parts);
    if (atEnd) box.scrollTop = box.scrollHeight;
    list(answer, copies.map(({ copy }) => copy));
  };

  const list = (answer, copies) => {
    const shown = JSON.stringify(copies.map((copy) => [copy.end, copy.evidence.length, copy.emitted]));
    if (shown === answer.listed) return;
    answer.listed = shown;
    answer.section.querySelector(".none").hidden = copies.length > 0;
    answer.section.querySelector(".copies").replaceChildren(
      ...copies.map((copy, number) => described(answer, copy, number + 1)),
    );
  };

  const described = (answer, copy, number) => {
    const item = element("li", undefined, "copy");
    item.id = `copy-${answer.number}-${number}`;
    const title = element("p");
    title.append(
      element("strong", copy.start_line === copy.end_line ? `Line ${copy.start_line}` : `Lines ${copy.start_line} to ${copy.end_line}`),
      " ",
      element("span", copy.common ? "common" : "uncommon", copy.common ? "tag common" : "tag"),
    );
    item.append(title, element("p", `${copy.emitted ? "" : "Kept back: "}${copy.reason}.`));
    const sources = element("ul");
    for (const span of copy.evidence) {
      for (const source of span.sources) sources.append(sourced(answer, source));
      const more = span.documents - span.sources.length;
      if (more > 0) sources.append(element("li", `and ${span.counts_exact ? "" : "at least "}${plural(more, "more document")}`));
    }
    item.append(sources);
    return item;
  };

  const sourced = (answer, source) => {
    const item = element("li");
    item.append(element("span", source.repository, "repository"), ` ${source.path}, lines ${source.start_line} to ${source.end_line}: `);
    item.append(source.license === "NOASSERTION" ? "licence unknown" : source.license === "NONE" ? "no licence" : source.license, " ");
    const lines = `${source.start_line}-${source.end_line}`;
    const stored = element("a", "stored text");
    stored.href = `/documents/${source.document}?index=${encodeURIComponent(answer.index)}&lines=${lines}#L${source.start_line}`;
    item.append(stored);
    if (source.url && /^https?:\/\/[^\s@<>"'\\]{1,2000}$/.test(source.url)) {
      const link = element("a", "repository");
      link.href = source.url;
      link.rel = "noreferrer noopener";
      item.append(" ", link);
    }
    return item;
  };

  const take = (answer, chunk) => {
    if (chunk.error) throw new Error(chunk.error.message);
    for (const choice of chunk.choices ?? []) {
      answer.text += choice.text ?? choice.delta?.content ?? "";
      answer.reason = choice.finish_reason ?? answer.reason;
    }
    for (const choice of chunk.attribution?.choices ?? []) {
      const account = choice.fields.text ?? choice.fields.content;
      if (account) {
        answer.decided = account.spans;
        answer.growing = account.growing ?? [];
        answer.ending = account.ending;
        answer.floor = account.floor;
      }
    }
    if (!answer.drawn) {
      answer.drawn = true;
      requestAnimationFrame(() => draw(answer));
    }
  };

  const receive = async (answer, response) => {
    let rest = "";
    for await (const piece of decoded(response.body)) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data: ") && line !== "data: [DONE]") take(answer, JSON.parse(line.slice(6)));
      }
    }
  };

  async function* decoded(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  }

  const ended = (answer) => {
    const found = answer.decided.length === 1 ? "1 copy" : `${answer.decided.length} copies`;
    if (answer.ending === "ended") return `The answer ended before a copy; ${found}.`;
    if (answer.ending === "failed") return "The guard could not judge; the rest was kept back.";
    const length = answer.reason === "length" ? " as long as it may be" : "";
    return `The answer is complete${length}; ${answer.decided.length ? found : `no copy of ${answer.floor ?? "the floor"} or more normalised characters`}.`;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return;
    const text = prompt.value;
    if (!text.trim() && mode() !== "fill") {
      say(mode() === "chat" ? "Ask something first." : "There is nothing to go on from.");
      prompt.focus();
      return;
    }
    const body = {
      mode: mode(),
      max_tokens: Number(byId("max_tokens").value),
      temperature: Number(byId("temperature").value),
      index: form.elements.index.value,
    };
    if (mode() === "chat") {
      turns.push({ role: "user", content: text });
      body.turns = turns;
    } else {
      body.prompt = text;
      if (mode() === "fill") body.suffix = suffix.value;
    }
    running = new AbortController();
    // Disabled for good it would lose the focus.
    ask.setAttribute("aria-disabled", "true");
    stop.hidden = false;
    for (const radio of form.elements.mode) radio.disabled = true;
    say("The model writes.");
    let answer = null;
    try {
      const response = await fetch("/playground/answer", {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
        body: JSON.stringify(body),
        signal: running.signal,
      });
      if (!response.ok) throw new Error((await response.json()).error.message);
      answer = place(text);
      await receive(answer, response);
      say(ended(answer));
    } catch (error) {
      say(error.name === "AbortError" ? "Stopped." : `It failed: ${error.message}`);
    }
    if (answer) draw(answer);
    if (body.turns) {
      if (answer?.text) {
        turns.push({ role: "assistant", content: answer.text });
        prompt.value = "";
      } else {
        turns.pop();
      }
    }
    running = null;
    ask.removeAttribute("aria-disabled");
    stop.hidden = true;
    for (const radio of form.elements.mode) radio.disabled = false;
    arrange();
  });

  stop.addEventListener("click", () => {
    running?.abort();
    prompt.focus();
  });
  forget.addEventListener("click", () => {
    turns.length = 0;
    answers.replaceChildren();
    say("");
    arrange();
    prompt.focus();
  });
  for (const field of [prompt, suffix]) {
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
  }
  for (const radio of form.elements.mode) radio.addEventListener("change", arrange);
  arrange();
})();
