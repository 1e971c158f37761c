// Webhooks, and what became of each delivery.

import { call, get, post } from "./api.js";
import { act, every, field, fill, h } from "./dom.js";
import { t } from "./words.js";

const REFRESH_MILLISECONDS = 2000;

export async function webhooks(area, chosen) {
  const address = h("input", { id: "url", type: "url", placeholder: "https://example.com/webhook", required: true });
  const types = h("input", { id: "types", placeholder: "message.received, message.status" });
  const secret = h("output", { id: "secret" });
  const list = h("ul", { id: "webhooks", class: "list" });
  const detail = h("div", { class: "detail" });
  const create = act(async (event) => {
    const events = types.value.split(/[\s,]+/).filter(Boolean);
    const made = await post("/v1/webhooks", { url: address.value.trim(), ...(events.length && { events }) });
    secret.textContent = t("secret_once", made.secret);
    event.target.reset();
    await load();
  });
  area.append(
    h("div", { class: "side" },
      h("form", { id: "create-webhook", onsubmit: create }, field(t("url"), address), field(t("event_types"), types), h("button", {}, t("create")), secret),
      list),
    detail,
  );
  const load = async () => {
    const all = (await get("/v1/webhooks?limit=100")).data;
    if (!all.some((one) => one.id === chosen)) chosen = all[0]?.id;
    fill(list, ...all.map((one) => h("li", {},
      h("a", { href: `#/webhooks/${one.id}`, "aria-current": one.id === chosen ? "true" : null },
        h("span", {}, one.url), h("span", { class: "state", data: { state: one.enabled ? "connected" : "failed" } }, t(one.enabled ? "on" : "off"))))));
    if (!all.length) list.append(h("li", { class: "hint" }, t("no_webhook")));
    return all;
  };
  const all = await load();
  const webhook = all.find((one) => one.id === chosen);
  if (webhook) showWebhook(detail, webhook);
}

function showWebhook(detail, webhook) {
  const path = `/v1/webhooks/${webhook.id}`;
  const rows = h("tbody", { id: "deliveries" });
  const again = () => dispatchEvent(new HashChangeEvent("hashchange"));
  const load = async () => {
    const page = await get(`${path}/deliveries?limit=50`);
    fill(rows, ...page.data.map((delivery) => deliveryRow(path, delivery, load)));
    if (!page.data.length) rows.append(h("tr", {}, h("td", { colspan: 5, class: "hint" }, t("no_delivery"))));
  };
  const remove = async () => {
    if (!confirm(t("remove_question"))) return;
    await call("DELETE", path);
    location.hash = "#/webhooks";
    again();
  };
  const turn = async () => {
    await call("PATCH", path, { body: { enabled: !webhook.enabled } });
    again();
  };
  detail.append(
    h("div", { class: "title" }, h("h2", {}, webhook.url), webhook.disabled_reason && h("span", { class: "hint" }, webhook.disabled_reason)),
    h("p", { class: "hint" }, (webhook.events ?? [t("all_events")]).join(", ")),
    h("div", { class: "row" },
      h("button", { type: "button", id: "test", onclick: act(async () => (await post(`${path}/test`), await load())) }, t("test")),
      h("button", { type: "button", onclick: act(turn) }, t(webhook.enabled ? "turn_off" : "turn_on")),
      h("button", { type: "button", onclick: act(remove) }, t("remove"))),
    h("h3", {}, t("deliveries")),
    h("div", { class: "wide" }, h("table", {},
      h("thead", {}, h("tr", {}, ["time", "event", "outcome", "attempts", ""].map((name) => h("th", { scope: "col" }, name && t(name))))), rows)),
  );
  every(REFRESH_MILLISECONDS, rows, load);
}

function deliveryRow(path, delivery, load) {
  const state = { succeeded: "connected", failed: "failed", pending: "starting" }[delivery.status];
  const code = delivery.last_status_code ?? delivery.last_error ?? "";
  const replay = act(async () => {
    await post(`${path}/deliveries/${delivery.id}/retry`);
    await load();
  });
  return h("tr", { data: { event: delivery.event_id, status: delivery.status } },
    h("td", {}, new Date(delivery.created_at).toLocaleString()),
    h("td", {}, delivery.event_type),
    h("td", {}, h("span", { class: "state", data: { state } }, t(`delivery_${delivery.status}`))),
    h("td", {}, `${delivery.attempts.length} · ${code}`),
    h("td", {}, delivery.status !== "pending" && h("button", { type: "button", class: "quiet", onclick: replay }, t("replay"))));
}
