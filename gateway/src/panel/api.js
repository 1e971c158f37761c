// The canonical API, as the panel calls it. The key lives in this tab only and travels in a header, never in a cookie or a URL: no other site can use it.

import { complain } from "./dom.js";
import { t } from "./words.js";

const KEY = "rookery.key";

export const caller = { key: sessionStorage.getItem(KEY), tenant: null, operator: false };

export function remember(key) {
  caller.key = key;
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

function url(path) {
  const address = new URL(path, location.origin);
  if (caller.operator && caller.tenant) address.searchParams.set("tenant_id", caller.tenant);
  return address;
}

/** Calls the API. A refusal is shown to the person, unless its code is among `quiet`, and thrown with its `problem`. */
export async function call(method, path, { body, headers = {}, raw = false, quiet = [], signal, anonymous = false, operator = false } = {}) {
  const form = body instanceof FormData;
  const answer = await fetch(operator ? new URL(path, location.origin) : url(path), {
    method,
    signal,
    credentials: "omit",
    headers: {
      ...(!anonymous && { authorization: `Bearer ${caller.key}` }),
      ...(body && !form && { "content-type": "application/json" }),
      ...headers,
    },
    body: body && !form ? JSON.stringify(body) : body,
  }).catch((error) => {
    throw signal?.aborted ? error : new Error(t("unreachable"));
  });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({ code: String(answer.status), title: answer.statusText }));
    if (!quiet.includes(problem.code)) complain(problem.errors?.[0] ? `${problem.errors[0].field} ${problem.errors[0].message}` : (problem.detail ?? problem.title));
    throw Object.assign(new Error(problem.code), { problem });
  }
  if (raw) return answer;
  return answer.status === 204 ? null : answer.json();
}

export const get = (path, options) => call("GET", path, options);
/** A repeat of the same request, by an impatient network, does nothing twice. */
export const post = (path, body = {}, options = {}) =>
  call("POST", path, { ...options, body, headers: { "idempotency-key": crypto.randomUUID(), ...options.headers } });

/** A file as an address that an element of this page can show. */
export async function fileAddress(media) {
  const answer = await get(`/v1/media/${media}/content?redirect=false`, { raw: true });
  return URL.createObjectURL(await answer.blob());
}

/** Stores a file and answers its id. */
export async function upload(file) {
  const form = new FormData();
  form.append("file", file);
  return (await post("/v1/media", form)).id;
}
