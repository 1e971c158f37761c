// Sessions: their state, live, and linking an account by QR code or by pairing code.

import { get, post } from "./api.js";
import { act, field, fill, h } from "./dom.js";
import { onEvent } from "./live.js";
import { t } from "./words.js";

const VERBS = ["start", "stop", "restart", "logout"];
const NOT_NOW = ["qr_not_available", "session_already_paired", "session_not_found"];

/** A session's name, for people. */
export const nameOf = (session) => session.name || session.id;

export function stateOf(session) {
  return h("span", { class: "state", data: { state: session.status } }, t(`state_${session.status}`));
}

export async function sessions(area, chosen) {
  const name = h("input", { id: "name", maxlength: 100, placeholder: "Front desk", required: true });
  const list = h("ul", { id: "sessions", class: "list" });
  const detail = h("div", { class: "detail" });
  const create = act(async () => {
    const session = await post("/v1/sessions", { name: name.value });
    location.hash = `#/sessions/${session.id}`;
  });
  area.append(
    h("div", { class: "side" },
      h("form", { id: "create", onsubmit: create }, field(t("new_session"), name), h("button", {}, t("create"))), list),
    detail,
  );

  const load = async () => {
    const all = (await get("/v1/sessions?limit=100")).data;
    fill(list, ...all.map((session) => h("li", {},
      h("a", { href: `#/sessions/${session.id}`, "aria-current": session.id === chosen ? "true" : null }, h("span", {}, nameOf(session)), stateOf(session)))));
    if (!all.length) list.append(h("li", { class: "hint" }, t("no_session")));
    return all;
  };
  const all = await load();
  chosen ??= all[0]?.id;
  if (!chosen) return;
  const show = showSession(detail, chosen);
  await show(all);
  onEvent(area, async (event) => {
    if (!event.type.startsWith("session.")) return;
    const now = await load();
    if (event.session_id === chosen) await show(now);
  });
}

/** Fills `detail`; answers what shows it again. */
function showSession(detail, id) {
  const title = h("div", { class: "title" });
  const link = h("div", { class: "link", hidden: true });
  const verbs = h("div", { class: "row" }, VERBS.map((verb) => h("button", { type: "button", data: { verb }, onclick: act(() => carryOut(id, verb)) }, t(verb))));
  detail.append(title, verbs, link);
  const code = linkByCode(id);
  const picture = linkByPicture(id);
  link.append(h("p", {}, t("on_the_phone")), picture.element, code);

  return async (all) => {
    const session = all.find((one) => one.id === id);
    if (!session) return fill(title, h("p", {}, t("gone")));
    fill(title, 
      h("h2", { id: "session-name" }, nameOf(session)),
      h("span", { id: "session-status", class: "state", data: { state: session.status } }, t(`state_${session.status}`)),
      session.reason && h("span", { class: "hint" }, session.reason),
      session.account?.phone && h("span", { id: "session-account" }, `+${session.account.phone}`),
      session.account && h("a", { id: "to-chats", href: `#/chats/${session.id}` }, t("chats")),
      h("small", { class: "hint" }, session.id),
    );
    link.hidden = session.status !== "qr";
    if (!link.hidden) await picture.show();
  };
}

async function carryOut(session, verb) {
  if (verb === "logout" && !confirm(t("logout_question"))) return;
  await post(`/v1/sessions/${session}/${verb}`);
}

function linkByPicture(session) {
  const image = h("img", { id: "qr", alt: t("qr_alt"), width: 280, height: 280 });
  const time = h("p", { id: "qr-time", class: "hint" });
  let end = 0;
  const tell = () => {
    const seconds = Math.max(0, Math.round((end - Date.now()) / 1000));
    time.textContent = seconds ? t("qr_seconds", seconds) : t("qr_next");
  };
  const clock = setInterval(() => (image.isConnected ? tell() : clearInterval(clock)), 1000);
  const show = async () => {
    const path = `/v1/sessions/${session}/qr`;
    try {
      const [code, picture] = await Promise.all([
        get(path, { quiet: NOT_NOW }),
        get(path, { headers: { accept: "image/svg+xml" }, raw: true, quiet: NOT_NOW }),
      ]);
      URL.revokeObjectURL(image.src);
      image.src = URL.createObjectURL(await picture.blob());
      end = new Date(code.expires_at).getTime();
      tell();
    } catch (error) {
      if (!NOT_NOW.includes(error.problem?.code)) throw error;
    }
  };
  return { element: h("div", {}, image, time), show };
}

function linkByCode(session) {
  const phone = h("input", { id: "code-phone", inputmode: "tel", placeholder: "15550001111", required: true });
  const answer = h("output", { id: "code-answer" });
  const ask = act(async () => {
    const { code } = await post(`/v1/sessions/${session}/pairing-code`, { phone: phone.value.trim() });
    answer.textContent = code;
  });
  return h("form", { id: "code", onsubmit: ask }, field(t("by_number"), phone), h("button", {}, t("get_code")), answer);
}
