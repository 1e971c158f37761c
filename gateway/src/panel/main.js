// The panel: a client of the canonical API like any other. It can do nothing that its key cannot.

import { call, caller, get, remember } from "./api.js";
import { act, complain, field, fill, h } from "./dom.js";
import { follow, stop } from "./live.js";
import { LANGUAGES, language, setLanguage, t } from "./words.js";
import { chats } from "./chats.js";
import { cluster } from "./cluster.js";
import { events } from "./events.js";
import { keys } from "./keys.js";
import { sessions } from "./sessions.js";
import { webhooks } from "./webhooks.js";

const VIEWS = { sessions, chats, webhooks, events, keys, cluster };
const OPERATORS = ["keys", "cluster"];
const TENANTS_SHOWN = 100;

const top = document.getElementById("top");
const place = document.getElementById("place");
const live = h("span", { id: "live", role: "status" });
let tenants = [];

// ── entering and leaving ──

function showLogin() {
  showTop();
  const email = h("input", { id: "email", type: "email", autocomplete: "username", required: true });
  const password = h("input", { id: "password", type: "password", autocomplete: "current-password", required: true });
  const key = h("input", { id: "key", type: "password", autocomplete: "off", required: true });
  const byPassword = act(async () => {
    const login = await call("POST", "/v1/login", { anonymous: true, body: { email: email.value.trim(), password: password.value } });
    await enter(login.token);
  });
  fill(place, 
    h("div", { class: "doors" },
      h("form", { id: "login", onsubmit: byPassword },
        h("h2", {}, t("login")), field(t("email"), email), field(t("password"), password), h("button", {}, t("enter"))),
      h("form", { id: "login-key", onsubmit: act(() => enter(key.value.trim())) },
        h("h2", {}, t("login_key")), field(t("api_key"), key), h("button", {}, t("enter")), h("p", { class: "hint" }, t("key_hint")))),
  );
}

async function enter(key) {
  remember(key);
  try {
    tenants = (await operatorsTenants()) ?? [];
  } catch (error) {
    remember(null);
    showLogin();
    throw error;
  }
  if (caller.operator && !tenants.length) complain(t("no_tenant"));
  begin();
}

/** The tenants, if this is the operator's key. */
async function operatorsTenants() {
  caller.operator = false;
  try {
    const page = await get(`/v1/tenants?limit=${TENANTS_SHOWN}`, { quiet: ["forbidden"] });
    caller.operator = true;
    caller.tenant = page.data.some((tenant) => tenant.id === caller.tenant) ? caller.tenant : (page.data[0]?.id ?? null);
    return page.data;
  } catch (error) {
    if (error.problem?.code === "forbidden") return null;
    throw error;
  }
}

function begin() {
  follow((stands) => {
    live.textContent = stands ? `● ${t("live")}` : `○ ${t("reconnecting")}`;
    live.dataset.live = stands;
  });
  show();
}

async function leave() {
  stop();
  // A login ends; a key stays what it is, and the API says so.
  await call("POST", "/v1/logout", { body: {}, quiet: ["forbidden", "unauthorized", "route_not_found", "validation_failed"] }).catch(() => {});
  remember(null);
  Object.assign(caller, { tenant: null, operator: false });
  complain("");
  location.hash = "";
  showLogin();
}

// ── the frame ──

function showTop(view) {
  const languages = h("select", { id: "language", "aria-label": t("language"), onchange: (event) => setLanguage(event.target.value).then(begin) },
    Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code, selected: code === language() }, name)));
  const choose = (event) => {
    caller.tenant = event.target.value;
    location.hash = "";
    begin();
  };
  const tenant = caller.operator && h("select", { id: "tenant", "aria-label": t("tenant"), onchange: choose },
    tenants.map((one) => h("option", { value: one.id, selected: one.id === caller.tenant }, one.name)));
  const tab = (name) => h("a", { href: `#/${name}`, "aria-current": name === view ? "page" : null }, t(name));
  const names = Object.keys(VIEWS).filter((name) => caller.operator || !OPERATORS.includes(name));
  fill(top, 
    h("h1", {}, "Rookery"),
    ...(view ? [h("nav", { "aria-label": t("areas") }, names.map(tab)), live, tenant || ""] : []),
    h("span", { class: "right" }, languages, view && h("button", { id: "leave", type: "button", onclick: leave }, t("leave"))),
  );
  document.documentElement.lang = language();
}

function show() {
  if (!caller.key) return showLogin();
  const [, wanted, ...rest] = location.hash.split("/").map(decodeURIComponent);
  const view = VIEWS[wanted] && (caller.operator || !OPERATORS.includes(wanted)) ? wanted : "sessions";
  showTop(view);
  const area = h("section", { class: `view ${view}` });
  fill(place, area);
  if (caller.operator && !caller.tenant && view !== "cluster") return;
  VIEWS[view](area, ...rest).catch((error) => error.problem || complain(error.message));
}

addEventListener("hashchange", () => {
  complain("");
  show();
});
if (caller.key) enter(caller.key).catch((error) => error.problem || complain(error.message));
else showLogin();
