// The tenant's events, live: one stream for the whole panel, resumed where it broke off.

import { caller, get } from "./api.js";

const RECONNECT_MILLISECONDS = 2000;
const KEPT = 200;

/** The latest events, the latest first. */
export const recent = [];

const listeners = new Set();
let following = null;

/** Calls `listen` with every event for as long as `element` is shown. */
export function onEvent(element, listen) {
  const listener = (event) => (element.isConnected ? listen(event) : listeners.delete(listener));
  listeners.add(listener);
}

export function stop() {
  following?.abort();
  following = null;
  listeners.clear();
  recent.length = 0;
}

/** Follows the tenant's events; `tell` hears whether the stream stands. */
export async function follow(tell) {
  following?.abort();
  recent.length = 0;
  const mine = (following = new AbortController());
  let last = null;
  while (!mine.signal.aborted) {
    try {
      const headers = { accept: "text/event-stream", ...(last && { "last-event-id": last }) };
      const answer = await get("/v1/events", { headers, raw: true, signal: mine.signal, quiet: ["forbidden", "overloaded", "unavailable"] });
      tell(true);
      for await (const { id, data } of read(answer.body)) {
        last = id;
        recent.unshift(data);
        if (recent.length > KEPT) recent.pop();
        for (const listener of [...listeners]) listener(data);
      }
    } catch (error) {
      if (mine.signal.aborted || !caller.key || ["unauthorized", "forbidden"].includes(error.problem?.code)) return;
    }
    tell(false);
    await new Promise((done) => setTimeout(done, RECONNECT_MILLISECONDS));
  }
}

/** Server-sent events read from a fetch, because EventSource cannot carry a key in a header. */
async function* read(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const field = (name) =>
        lines
          .filter((line) => line.startsWith(`${name}:`))
          .map((line) => line.slice(name.length + 1).trim())
          .join("\n");
      if (field("data")) yield { id: field("id"), data: JSON.parse(field("data")) };
    }
  }
}
