// Comfort only: every page works without this file.
"use strict";

const root = document.documentElement;
const theme = document.getElementById("theme");
const isDark = () =>
  root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
const nameTheme = () => { theme.textContent = isDark() ? "Light mode" : "Dark mode"; };
theme.hidden = false;
nameTheme();
theme.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // The choice lasts as long as the page.
  }
});

const box = document.getElementById("text");
const query = document.getElementById("q");
for (const field of [box, query]) {
  field?.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) field.form.requestSubmit();
  });
}

if (box) {
  const notice = document.getElementById("notice");
  const share = document.getElementById("share");
  // A form sends some characters as three; the server's limit is for what is sent.
  const limit = Math.floor(Number(box.dataset.limit) / 3);
  const say = (words) => { notice.textContent = words; };

  const take = async (file) => {
    if (file.size > limit) {
      say(`This file has ${file.size.toLocaleString()} bytes; at most ${limit.toLocaleString()} can be asked about.`);
      return;
    }
    const text = await file.text();
    if (text.includes("\u0000")) {
      say("This file is not text.");
      return;
    }
    box.value = text;
    say(`${file.name} is here; press Trace.`);
    box.focus();
  };
  box.addEventListener("dragover", (event) => {
    event.preventDefault();
    box.classList.add("over");
  });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => {
    box.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) {
      event.preventDefault();
      take(file);
    }
  });

  const encode = (text) =>
    btoa(String.fromCharCode(...new TextEncoder().encode(text))).replaceAll("+", "-").replaceAll("/", "_");
  const decode = (text) =>
    new TextDecoder().decode(Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0)));
  share.hidden = false;
  share.addEventListener("click", () => {
    if (box.value.length > 8000) {
      say("Too long for a link: at most 8,000 characters.");
      return;
    }
    // Behind the # it is seen by browsers only, never sent to a server.
    location.hash = `code=${encode(box.value)}`;
    say("The address now holds the code; whoever gets it can read it.");
  });
  if (location.hash.startsWith("#code=")) {
    try {
      box.value = decode(location.hash.slice(6));
      say("The code came with the link; press Trace.");
    } catch {
      say("The code in this link cannot be read.");
    }
  }
}

// Two texts side by side are read together.
for (const pair of document.querySelectorAll(".pair")) {
  const [ours, theirs] = pair.querySelectorAll(".code");
  const follow = (from, to) =>
    from.addEventListener("scroll", () => {
      if (to.scrollTop !== from.scrollTop) to.scrollTop = from.scrollTop;
    });
  if (matchMedia("(min-width: 48.01rem)").matches) {
    follow(ours, theirs);
    follow(theirs, ours);
  }
}
