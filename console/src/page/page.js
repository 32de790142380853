// Shows the page as it is now. Without this script the page reloads itself.
"use strict";

const { events, interval } = document.body.dataset;
const content = document.getElementById("content");
const status = document.getElementById("status");
const RETRY = 3000;

let stream = null;
let heard = 0;
let waiting = null;
let pressed = false;

function say(state, text) {
  // Screen readers would read each second aloud: only a change of the state is said.
  status.setAttribute("aria-live", status.dataset.state === state ? "off" : "polite");
  status.dataset.state = state;
  status.textContent = text;
}

function clock(at) {
  return at ? `${at.slice(11, 19)} UTC` : "no numbers";
}

// What is selected, such as a command to copy, must not vanish, nor a link between press and release.
function isHeld() {
  const selection = document.getSelection();
  return pressed || (!selection.isCollapsed && content.contains(selection.anchorNode));
}

function release() {
  if (waiting && !isHeld()) {
    show(waiting);
  }
}

function show(html) {
  if (isHeld()) {
    waiting = html;
    return;
  }
  waiting = null;
  const focused = content.contains(document.activeElement)
    ? document.activeElement.getAttribute("href")
    : null;
  content.innerHTML = html;
  if (focused) {
    content.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
}

function open() {
  close();
  heard = Date.now();
  stream = new EventSource(events);
  stream.addEventListener("content", (event) => show(event.data));
  stream.addEventListener("at", (event) => {
    heard = Date.now();
    status.dataset.at = event.data;
    say(waiting ? "held" : "live", waiting ? "held while text is selected" : clock(event.data));
  });
  stream.addEventListener("error", () => lost());
}

function close() {
  stream?.close();
  stream = null;
}

function lost() {
  const at = status.dataset.at;
  say("lost", at ? `connection lost: as of ${clock(at)}` : "connection lost");
}

// A connection can end without a word, and a refused one isn't tried again by the browser.
function watch() {
  const silent = Date.now() - heard > 3 * Number(interval) + RETRY;
  if (stream && (silent || stream.readyState === EventSource.CLOSED)) {
    lost();
    open();
  }
}

document.addEventListener("selectionchange", release);
document.addEventListener("pointerdown", () => {
  pressed = true;
});
for (const end of ["pointerup", "pointercancel"]) {
  document.addEventListener(end, () => {
    pressed = false;
    // After the click, which comes next.
    setTimeout(release);
  });
}
document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
window.addEventListener("pagehide", close);
setInterval(watch, RETRY);
open();
