// A tenant's API keys: for the operator.

import { call, caller, get, post } from "./api.js";
import { act, field, fill, h } from "./dom.js";
import { t } from "./words.js";

const SCOPES = ["sessions:read", "sessions:write", "messages:read", "messages:send", "media:read", "media:write", "webhooks:write"];

export async function keys(area) {
  const name = h("input", { id: "key-name", maxlength: 100, required: true });
  const scopes = SCOPES.map((scope) => h("label", { class: "inline" }, h("input", { type: "checkbox", name: "scope", value: scope, checked: true }), scope));
  const shown = h("output", { id: "new-key" });
  const rows = h("tbody", { id: "keys" });
  const create = act(async (event) => {
    const chosen = [...event.target.querySelectorAll("[name=scope]:checked")].map((box) => box.value);
    const made = await post("/v1/api-keys", { tenant_id: caller.tenant, name: name.value, scopes: chosen }, { operator: true });
    shown.textContent = t("key_once", made.key);
    name.value = "";
    await load();
  });
  const load = async () => {
    const page = await get("/v1/api-keys?limit=100");
    fill(rows, ...page.data.map((key) => keyRow(key, load)));
  };
  area.append(
    h("form", { id: "create-key", onsubmit: create }, field(t("key_name"), name), h("fieldset", {}, h("legend", {}, t("scopes")), scopes), h("button", {}, t("create")), shown),
    h("div", { class: "wide" }, h("table", {},
      h("thead", {}, h("tr", {}, ["key_name", "api_key", "scopes", "last_used", ""].map((word) => h("th", { scope: "col" }, word && t(word))))), rows)),
  );
  await load();
}

function keyRow(key, load) {
  const revoke = act(async () => {
    if (!confirm(t("revoke_question"))) return;
    await call("DELETE", `/v1/api-keys/${key.id}`, { operator: true });
    await load();
  });
  return h("tr", { class: key.revoked_at ? "over" : "" },
    h("td", {}, key.name),
    h("td", {}, h("code", {}, `${key.hint}…`)),
    h("td", {}, key.scopes.join(" ")),
    h("td", {}, key.last_used_at ? new Date(key.last_used_at).toLocaleString() : "–"),
    h("td", {}, key.revoked_at ? t("revoked") : h("button", { type: "button", class: "quiet", onclick: revoke }, t("revoke"))));
}
