// The region's workers, what they hold, and who took over from whom: for the operator.

import { get } from "./api.js";
import { every, fill, h } from "./dom.js";
import { t } from "./words.js";

const REFRESH_MILLISECONDS = 2000;

export async function cluster(area) {
  const summary = h("p", { id: "cluster-summary" });
  const workers = h("tbody", { id: "workers" });
  const takeovers = h("tbody", { id: "takeovers" });
  const table = (heads, body) => h("div", { class: "wide" }, h("table", {}, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, t(head))))), body));
  area.append(
    summary,
    h("h2", {}, t("workers")), table(["worker", "state", "sessions", "connected", "capacity", "version", "since"], workers),
    h("h2", {}, t("takeovers")), table(["time", "session", "from", "to", "epoch"], takeovers),
  );
  every(REFRESH_MILLISECONDS, area, async () => {
    const now = await get("/v1/cluster", { operator: true });
    summary.textContent = t("cluster_summary", now.region, now.wanted, now.waiting);
    fill(workers, ...now.workers.map(workerRow));
    fill(takeovers, ...now.takeovers.map((one) => h("tr", {},
      [new Date(one.taken_at).toLocaleString(), one.session_name || one.session_id, one.from, one.to ?? "–", one.epoch].map((cell) => h("td", {}, String(cell))))));
    if (!now.takeovers.length) takeovers.append(h("tr", {}, h("td", { colspan: 5, class: "hint" }, t("no_takeover"))));
  });
}

function workerRow(worker) {
  const state = !worker.alive ? ["failed", "worker_silent"] : worker.draining ? ["starting", "worker_draining"] : ["connected", "worker_alive"];
  const cells = [worker.sessions, worker.connected, worker.capacity, worker.version, new Date(worker.started_at).toLocaleString()];
  return h("tr", {}, h("td", {}, h("code", {}, worker.id)), h("td", {}, h("span", { class: "state", data: { state: state[0] } }, t(state[1]))), cells.map((cell) => h("td", {}, String(cell))));
}
