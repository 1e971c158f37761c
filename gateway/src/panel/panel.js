// The panel: a client of the canonical API. Text from outside is only ever set as text, never as markup.

const element = (id) => document.getElementById(id);
const EVENTS_SHOWN = 60;
const MESSAGES_SHOWN = 50;
const RECONNECT_MILLISECONDS = 2000;

const state = { key: sessionStorage.getItem("key"), tenant: null, session: null, sessions: [], following: null, qrTimer: null };

/** Calls the API; a failure is shown to the person and thrown. */
async function call(method, path, { body, headers = {}, raw = false, quiet = [], signal } = {}) {
  const url = new URL(path, location.origin);
  if (state.tenant) url.searchParams.set("tenant_id", state.tenant);
  const answer = await fetch(url, {
    method,
    signal,
    headers: { authorization: `Bearer ${state.key}`, ...(body && { "content-type": "application/json" }), ...headers },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({ code: String(answer.status), title: answer.statusText }));
    if (!quiet.includes(problem.code)) complain(problem.errors?.[0]?.message ?? problem.detail ?? problem.title);
    throw Object.assign(new Error(problem.code), { problem });
  }
  if (raw) return answer;
  return answer.status === 204 ? null : answer.json();
}

function complain(text) {
  element("problem").textContent = text;
  element("problem").hidden = false;
}

/** Runs what a form or button does; whatever fails has been shown already. */
function act(work) {
  return async (event) => {
    event.preventDefault();
    element("problem").hidden = true;
    const button = event.submitter ?? event.currentTarget;
    button.disabled = true;
    try {
      await work(event);
    } catch (error) {
      if (!error.problem) complain(error.message);
    } finally {
      button.disabled = false;
    }
  };
}

function node(tag, text, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

// ── entering and leaving ──

async function enter() {
  try {
    const tenants = await operatorsTenants();
    element("tenant-choice").hidden = !tenants;
    if (tenants) {
      element("tenant").replaceChildren(...tenants.map((tenant) => node("option", tenant.name, { value: tenant.id })));
      state.tenant = tenants[0]?.id ?? null;
      element("tenant").value = state.tenant ?? "";
      if (!state.tenant) return complain("There is no tenant yet: create one with POST /v1/tenants.");
    }
    await showTenant();
  } catch (error) {
    if (error.problem?.code === "unauthorized") return leave();
    throw error;
  }
  sessionStorage.setItem("key", state.key);
  element("login").hidden = true;
  element("work").hidden = false;
  element("leave").hidden = false;
}

/** The tenants, if this is the operator's key. */
async function operatorsTenants() {
  try {
    return (await call("GET", "/v1/tenants?limit=100", { quiet: ["forbidden"] })).data;
  } catch (error) {
    if (error.problem?.code === "forbidden") return null;
    throw error;
  }
}

async function showTenant() {
  state.session = null;
  element("session").hidden = true;
  element("events").replaceChildren();
  await loadSessions();
  if (state.sessions.length) await choose(state.sessions[0].id);
  follow();
}

function leave() {
  state.following?.abort();
  sessionStorage.removeItem("key");
  Object.assign(state, { key: null, tenant: null, session: null });
  element("login").hidden = false;
  element("work").hidden = true;
  element("leave").hidden = true;
  element("live").textContent = "";
}

// ── sessions ──

async function loadSessions() {
  const page = await call("GET", "/v1/sessions?limit=100");
  state.sessions = page.data;
  element("sessions").replaceChildren(
    ...page.data.map((session) => {
      const button = node("button", "", { type: "button", onclick: act(() => choose(session.id)) });
      button.setAttribute("aria-current", String(session.id === state.session));
      const status = node("span", session.status, { className: "status" });
      status.dataset.status = session.status;
      button.append(node("span", session.name || session.id), status);
      const item = node("li", "");
      item.append(button);
      return item;
    }),
  );
}

async function choose(id) {
  state.session = id;
  element("code-answer").textContent = "";
  await loadSessions();
  await Promise.all([showSession(), showMessages()]);
}

async function showSession() {
  const session = state.sessions.find((candidate) => candidate.id === state.session);
  element("session").hidden = !session;
  if (!session) return;
  element("session-name").textContent = session.name || session.id;
  element("session-status").textContent = session.reason ? `${session.status} (${session.reason})` : session.status;
  element("session-status").dataset.status = session.status;
  element("session-account").textContent = session.account?.phone ? `+${session.account.phone}` : "";
  element("send").hidden = !session.account;
  const linking = session.status === "qr";
  element("link").hidden = !linking;
  if (linking) await showQr();
}

async function showQr() {
  const session = state.session;
  try {
    const path = `/v1/sessions/${session}/qr`;
    const [code, picture] = await Promise.all([
      call("GET", path, { quiet: ["qr_not_available", "session_already_paired"] }),
      call("GET", path, { headers: { accept: "image/svg+xml" }, raw: true, quiet: ["qr_not_available", "session_already_paired"] }),
    ]);
    if (session !== state.session) return;
    URL.revokeObjectURL(element("qr").src);
    element("qr").src = URL.createObjectURL(await picture.blob());
    countDown(new Date(code.expires_at));
  } catch (error) {
    if (!error.problem) throw error;
  }
}

function countDown(end) {
  clearInterval(state.qrTimer);
  const tell = () => {
    const seconds = Math.max(0, Math.round((end - Date.now()) / 1000));
    element("qr-time").textContent = seconds ? `This code works for another ${seconds} s.` : "The next code is on its way.";
  };
  tell();
  state.qrTimer = setInterval(tell, 1000);
}

// ── messages ──

async function showMessages() {
  if (!state.session) return;
  const session = state.session;
  const page = await call("GET", `/v1/sessions/${session}/messages?limit=${MESSAGES_SHOWN}`);
  if (session !== state.session) return;
  const items = page.data.reverse().map((message) => {
    const item = node("li", message.text?.body ?? `[${message.type}]`, { className: message.from_me ? "mine" : "" });
    const who = message.from_me ? `to ${person(message.chat)} · ${message.status}` : `from ${person(message.from)}`;
    const why = message.error ? ` · ${message.error.detail}` : "";
    item.append(node("small", `${who}${why} · ${new Date(message.timestamp).toLocaleTimeString()}`));
    return item;
  });
  element("messages").replaceChildren(...items);
  element("messages").scrollTop = element("messages").scrollHeight;
}

const person = (party) => (party.phone ? `+${party.phone}` : party.jid);

// ── events, live ──

async function follow() {
  state.following?.abort();
  const following = new AbortController();
  state.following = following;
  let last = null;
  while (!following.signal.aborted) {
    try {
      const headers = { accept: "text/event-stream", ...(last && { "last-event-id": last }) };
      const answer = await call("GET", "/v1/events", { headers, raw: true, signal: following.signal });
      element("live").textContent = "● live";
      for await (const event of readEvents(answer.body)) {
        last = event.id;
        await react(event.data);
      }
    } catch (error) {
      if (following.signal.aborted || error.problem?.code === "unauthorized") return;
    }
    element("live").textContent = "○ reconnecting";
    await new Promise((done) => setTimeout(done, RECONNECT_MILLISECONDS));
  }
}

/** Server-sent events read from a fetch, because EventSource cannot carry a key in a header. */
async function* readEvents(body) {
  let text = "";
  for await (const chunk of chunks(body.pipeThrough(new TextDecoderStream()))) {
    text += chunk;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const field = (name) => lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim()).join("\n");
      if (field("data")) yield { id: field("id"), data: JSON.parse(field("data")) };
    }
  }
}

async function* chunks(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

async function react(event) {
  const known = () => state.sessions.find((session) => session.id === event.session_id);
  if (event.type.startsWith("session.") || !known()) await loadSessions();
  const item = node("li", event.type);
  const about = known()?.name || event.session_id || "";
  item.append(node("small", `${about} · ${new Date(event.timestamp).toLocaleTimeString()}`));
  element("events").prepend(item);
  while (element("events").children.length > EVENTS_SHOWN) element("events").lastChild.remove();
  if (event.session_id !== state.session) return;
  if (event.type.startsWith("session.")) await showSession();
  if (event.type.startsWith("message.")) await showMessages();
}

// ── what the person does ──

element("login").onsubmit = act(async () => {
  state.key = element("key").value.trim();
  element("key").value = "";
  await enter();
});
element("leave").onclick = leave;
element("tenant").onchange = act(async (event) => {
  state.tenant = event.currentTarget.value;
  await showTenant();
});
element("create").onsubmit = act(async () => {
  const session = await call("POST", "/v1/sessions", { body: { name: element("name").value } });
  element("create").reset();
  await choose(session.id);
});
element("verbs").onclick = (event) => {
  const verb = event.target.dataset.verb;
  if (!verb || (verb === "logout" && !confirm("Unlink the account from this session?"))) return;
  act(() => call("POST", `/v1/sessions/${state.session}/${verb}`, { body: {} }))({ preventDefault() {}, currentTarget: event.target });
};
element("code").onsubmit = act(async () => {
  const answer = await call("POST", `/v1/sessions/${state.session}/pairing-code`, { body: { phone: element("code-phone").value.trim() } });
  element("code-answer").textContent = answer.code;
});
element("send").onsubmit = act(async () => {
  const body = { to: element("to").value.trim(), type: "text", text: { body: element("text").value } };
  await call("POST", `/v1/sessions/${state.session}/messages`, { body, headers: { "idempotency-key": crypto.randomUUID() } });
  element("text").value = "";
  await showMessages();
});

if (state.key) enter().catch((error) => error.problem || complain(error.message));
