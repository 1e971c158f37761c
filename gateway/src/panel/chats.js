// Chats of one session, and a conversation that updates by itself.

import { fileAddress, get, post, upload } from "./api.js";
import { act, field, fill, h } from "./dom.js";
import { onEvent } from "./live.js";
import { nameOf } from "./sessions.js";
import { t } from "./words.js";

const CHATS = 50;
const MESSAGES = 50;
const UNREADABLE = ["session_not_connected", "chat_not_found"];
const FILES = ["image", "video", "audio", "document", "sticker"];

const person = (party) => party.name || (party.phone ? `+${party.phone}` : party.jid);
const at = (time) => new Date(time).toLocaleString([], { dateStyle: "short", timeStyle: "short" });

/** Calls that come faster than they are answered become one. */
function together(work) {
  let running = null;
  let again = false;
  return async () => {
    again = true;
    running ??= (async () => {
      while (again) {
        again = false;
        await work();
      }
    })().finally(() => (running = null));
    return running;
  };
}

export async function chats(area, session, chat) {
  const all = (await get("/v1/sessions?limit=100")).data.filter((one) => one.account);
  session ??= all.find((one) => one.status === "connected")?.id ?? all[0]?.id;
  if (!session) return area.append(h("p", { class: "hint" }, t("link_first")));

  const choice = h("select", { id: "session-choice", onchange: (event) => (location.hash = `#/chats/${event.target.value}`) },
    all.map((one) => h("option", { value: one.id, selected: one.id === session }, nameOf(one))));
  const search = h("input", { id: "search", type: "search" });
  const number = h("input", { id: "to", inputmode: "tel", placeholder: "15550002222", required: true });
  const list = h("ul", { id: "chats", class: "list" });
  const open = act(async () => (location.hash = `#/chats/${session}/${encodeURIComponent(number.value.trim())}`));
  const conversation = h("div", { class: "detail" });
  area.classList.toggle("in-conversation", Boolean(chat));
  area.append(
    h("div", { class: "side" },
      field(t("session"), choice),
      h("form", { id: "new-chat", class: "row", onsubmit: open }, field(t("new_chat"), number), h("button", {}, t("open"))),
      field(t("search"), search), list),
    conversation,
  );

  const load = together(async () => {
    const wanted = search.value.trim();
    const query = wanted ? `&search=${encodeURIComponent(wanted)}` : "";
    const page = await get(`/v1/sessions/${session}/chats?limit=${CHATS}${query}`);
    fill(list, ...page.data.map((one) => chatLine(session, one, chat)));
    if (!page.data.length) list.append(h("li", { class: "hint" }, t("no_chat")));
  });
  search.addEventListener("input", load);
  await load();
  onEvent(area, (event) => {
    if (event.session_id === session && /^(message|chat|contact|media|history|group)\./.test(event.type)) load();
  });
  if (chat) await converse(conversation, area, session, chat);
}

function chatLine(session, chat, chosen) {
  const last = chat.last_message;
  const summary = last ? `${last.from_me ? "✓ " : ""}${last.summary ?? `[${last.type}]`}` : "";
  return h("li", {},
    h("a", { href: `#/chats/${session}/${encodeURIComponent(chat.jid)}`, "aria-current": [chat.jid, chat.phone].includes(chosen) ? "true" : null },
      h("span", { class: "who" }, h("b", {}, person(chat)), h("small", {}, summary)),
      h("span", { class: "when" }, h("small", {}, at(chat.last_activity_at)),
        chat.unread_count > 0 && h("span", { class: "badge", "aria-label": t("unread", chat.unread_count) }, String(chat.unread_count)))));
}

async function converse(place, area, session, chat) {
  const path = `/v1/sessions/${session}/chats/${encodeURIComponent(chat)}`;
  const none = { quiet: ["chat_not_found"] };
  const known = await get(path, none).catch((error) => {
    if (error.problem?.code === "chat_not_found") return null;
    throw error;
  });
  const title = known ? person(known) : /^\d+$/.test(chat) ? `+${chat}` : chat;
  const older = h("button", { type: "button", class: "quiet", hidden: true }, t("older"));
  const lines = h("ol", { id: "messages", "aria-live": "polite", "aria-label": title });
  const text = h("textarea", { id: "text", rows: 1, maxlength: 4096, "aria-label": t("text"), placeholder: t("text") });
  const file = h("input", { id: "file", type: "file", "aria-label": t("file") });
  place.append(
    h("div", { class: "title" }, h("a", { class: "back", href: `#/chats/${session}` }, "←"), h("h2", { id: "chat-name" }, title), known && h("small", { class: "hint" }, known.jid)),
    h("div", { class: "scroll" }, older, lines),
  );

  /** Messages by id, each with its element; only what has changed is drawn again. */
  const shown = new Map();
  let next = null;
  let drawn = false;
  const add = (messages) => {
    for (const message of messages) {
      const form = JSON.stringify(message);
      const before = shown.get(message.id);
      if (before?.form === form) continue;
      const element = messageLine(message, before?.element);
      before?.element.replaceWith(element);
      shown.set(message.id, { form, element, message });
    }
    // The API's own order: ids rise with time, while clocks of phones only know seconds.
    const order = [...shown.values()].sort((a, b) => (a.message.id < b.message.id ? -1 : 1));
    order.forEach(({ element }, index) => lines.children[index] === element || lines.insertBefore(element, lines.children[index] ?? null));
  };
  const scroll = place.querySelector(".scroll");
  /** Whoever looks at a message has read it. */
  const read = together(async () => {
    if (document.visibilityState === "visible") await post(`${path}/read`, {}, { quiet: UNREADABLE }).catch(() => {});
  });
  const newest = together(async () => {
    const page = await get(`${path}/messages?limit=${MESSAGES}`, none).catch((error) => {
      if (error.problem?.code === "chat_not_found") return { data: [], next_cursor: null };
      throw error;
    });
    if (!shown.size) {
      next = page.next_cursor;
      older.hidden = !next;
    }
    const more = page.data.some((message) => !message.from_me && !shown.has(message.id));
    const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
    add(page.data);
    if (atEnd) scroll.scrollTop = scroll.scrollHeight;
    if (more && (drawn || known?.unread_count)) read();
    drawn = true;
  });
  older.addEventListener("click", act(async () => {
    const page = await get(`${path}/messages?limit=${MESSAGES}&cursor=${encodeURIComponent(next)}`);
    next = page.next_cursor;
    older.hidden = !next;
    add(page.data);
  }));

  const send = act(async () => {
    const to = known?.jid ?? chat;
    if (file.files[0]) await post(`/v1/sessions/${session}/messages`, { to, ...(await fileMessage(file.files[0], text.value.trim())) });
    else if (text.value.trim()) await post(`/v1/sessions/${session}/messages`, { to, type: "text", text: { body: text.value } });
    else return;
    form.reset();
    await newest();
    scroll.scrollTop = scroll.scrollHeight;
    text.focus();
  });
  const form = h("form", { id: "send", onsubmit: send }, file, text, h("button", {}, t("send")));
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  place.append(form);
  await newest();
  scroll.scrollTop = scroll.scrollHeight;
  onEvent(area, (event) => {
    const about = event.data?.chat;
    if (event.session_id !== session) return;
    if (event.type.startsWith("media.") || (about && [about.jid, about.phone, about.lid].includes(known ? known.jid : chat))) newest();
  });
}

/** The message that carries a file; its kind comes from the file's type. */
async function fileMessage(file, caption) {
  const kind = /^image\/(jpeg|png)$/.test(file.type) ? "image" : file.type === "video/mp4" ? "video" : file.type.startsWith("audio/") ? "audio" : "document";
  const content = { media_id: await upload(file) };
  if (caption && kind !== "audio") content.caption = caption;
  if (kind === "document") content.file_name = file.name;
  return { type: kind, [kind]: content };
}

function messageLine(message) {
  const content = message[message.type] ?? {};
  const text = message.revoked_at ? t("deleted") : (content.body ?? content.caption ?? content.name ?? content.display_name ?? "");
  const parts = [
    !message.from_me && message.from.jid !== message.chat.jid && h("small", { class: "author" }, person(message.from)),
    !message.revoked_at && FILES.includes(message.type) && filePart(message.type, content),
    text ? h("span", { class: "text" }, text) : !FILES.includes(message.type) && h("span", { class: "hint" }, `[${message.type}]`),
  ];
  const about = [at(message.timestamp), message.edited_at && t("edited"), message.from_me && t(`status_${message.status}`), message.error?.detail];
  return h("li", { class: message.from_me ? "mine" : "", data: { id: message.id, status: message.status } }, parts, h("small", {}, about.filter(Boolean).join(" · ")));
}

/** A picture when it is asked for, and a button for everything else: nothing is downloaded by opening a chat. */
function filePart(kind, content) {
  const name = content.file_name ?? t(`kind_${kind}`);
  if (!content.media_id || (content.status && content.status !== "stored")) return h("span", { class: "hint" }, `${name} · ${content.status ?? ""}`);
  const show = act(async (event) => {
    const address = await fileAddress(content.media_id);
    if (kind === "image" || kind === "sticker") return fill(part, h("img", { src: address, alt: content.caption ?? name, class: "picture" }));
    if (kind === "audio") return fill(part, h("audio", { src: address, controls: true }));
    if (kind === "video") return fill(part, h("video", { src: address, controls: true, class: "picture" }));
    h("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  });
  const part = h("span", {}, h("button", { type: "button", class: "quiet", onclick: show }, `⬇ ${name}`));
  return part;
}
