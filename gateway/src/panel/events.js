// The tenant's events as they happen.

import { fill, h } from "./dom.js";
import { onEvent, recent } from "./live.js";
import { t } from "./words.js";

const SHOWN = 200;

export async function events(area) {
  const filter = h("input", { id: "filter", type: "search", placeholder: "message." });
  const paused = h("input", { id: "paused", type: "checkbox" });
  const list = h("ol", { id: "events", class: "log" });
  const wanted = (event) => event.type.includes(filter.value.trim());
  const line = (event) => h("li", {},
    h("details", {},
      h("summary", {}, h("time", {}, new Date(event.timestamp).toLocaleTimeString()), h("b", {}, event.type), h("small", {}, `${event.session_id} · ${event.seq}`)),
      h("pre", {}, JSON.stringify(event, null, 2))));
  const all = () => fill(list, ...recent.filter(wanted).map(line));
  filter.addEventListener("input", all);
  paused.addEventListener("change", () => paused.checked || all());
  area.append(h("div", { class: "row" }, h("label", {}, h("span", {}, t("filter")), filter), h("label", { class: "inline" }, paused, t("paused"))), list, h("p", { class: "hint" }, t("events_hint")));
  all();
  onEvent(area, (event) => {
    if (paused.checked || !wanted(event)) return;
    list.prepend(line(event));
    while (list.children.length > SHOWN) list.lastChild.remove();
  });
}
