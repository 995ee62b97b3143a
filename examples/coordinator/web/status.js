"use strict";
// Reads the coordinator's JSON every two seconds and shows it. Text is only ever set as text, never as markup.

const INTERVAL_MS = 2000;
const byId = (id) => document.getElementById(id);

function cell(name, content, kind) {
  const td = document.createElement("td");
  td.setAttribute("role", "cell");
  td.dataset.name = name;
  if (kind) td.className = kind;
  // One child, so that a phone's row keeps a name and its content apart.
  const span = document.createElement("span");
  span.append(content);
  td.append(span);
  return td;
}

function heading(title, sub) {
  const th = document.createElement("th");
  th.scope = "row";
  th.setAttribute("role", "rowheader");
  th.append(title);
  if (sub) {
    const span = document.createElement("span");
    span.className = "sub";
    span.textContent = sub;
    th.append(span);
  }
  return th;
}

function mark(text, kind) {
  const span = document.createElement("span");
  span.className = `mark ${kind}`;
  span.textContent = text;
  return span;
}

function link(url, text, label) {
  const a = document.createElement("a");
  a.href = url;
  a.textContent = text;
  a.setAttribute("aria-label", label);
  return a;
}

function row(...cells) {
  const tr = document.createElement("tr");
  tr.setAttribute("role", "row");
  tr.append(...cells);
  return tr;
}

function fill(id, rows, columns, otherwise) {
  if (rows.length === 0) {
    const td = document.createElement("td");
    td.colSpan = columns;
    td.className = "empty";
    td.textContent = otherwise;
    rows = [row(td)];
  }
  byId(id).replaceChildren(...rows);
}

const short = (hex) => `${hex.slice(0, 12)}…`;

function ago(ms) {
  if (ms < 1500) return "now";
  const s = Math.round(ms / 1000);
  if (s < 90) return `${s} s ago`;
  if (s < 5400) return `${Math.round(s / 60)} min ago`;
  return `${Math.round(s / 3600)} h ago`;
}

function watchLinks(stream, nodes) {
  const box = document.createDocumentFragment();
  for (const node of nodes.filter((n) => n.url && n.health === "online" && n.streams > 0).slice(0, 4)) {
    if (box.childNodes.length) box.append(" · ");
    const name = node.name || node.node_id;
    box.append(link(`${node.url}/live/${stream.stream_id}.m3u8`, name, `HLS address of ${stream.alias} at ${name}`));
  }
  return box.childNodes.length ? box : document.createTextNode("–");
}

function showStreams(status) {
  const rows = status.streams.map((s) => row(
    heading(s.title || s.alias, `${s.alias} · ${short(s.stream_id)}`),
    cell("State", mark(s.status, s.status === "LIVE" ? "good" : "")),
    cell("Newest segment", String(s.newest), "n"), cell("Nodes", String(s.nodes), "n"),
    cell("Viewers", String(s.viewers), "n"), cell("Pool an hour", s.pool, "n"),
    cell("Watch", s.status === "LIVE" ? watchLinks(s, status.nodes) : "–")));
  fill("streams", rows, 7, "No stream has been registered yet.");
}

function showNodes(status) {
  const names = new Map(status.nodes.map((n) => [n.node_id, n.name || n.node_id]));
  const rows = status.nodes.filter((n) => n.role !== "publisher").map((n) => row(
    heading(n.name || n.node_id, n.node_id), cell("Role", n.role),
    cell("Hop", n.hop === null ? "–" : String(n.hop), "n"), cell("Takes from", n.parent ? names.get(n.parent) : "–"),
    cell("Health", mark(n.health, n.health === "online" ? "good" : "bad")), cell("Viewers", String(n.viewers), "n"),
    cell("Lag", n.streams > 0 ? `${n.lag_ms} ms` : "–", "n"), cell("Heartbeats", String(n.heartbeats), "n"),
    cell("Last seen", ago(n.last_seen_ms), "n")));
  fill("nodes", rows, 9, "No node has registered yet.");
}

function showPayouts(status, payouts) {
  const names = new Map(status.nodes.map((n) => [n.node_id, n.name || n.node_id]));
  const rows = [];
  for (const [id, entry] of Object.entries(payouts.payouts)) {
    for (const [node, pay] of Object.entries(entry.node_payouts)) {
      rows.push(row(
        heading(entry.alias || short(id)), cell("Node", names.get(node) || node),
        cell("Uptime", `${(pay.uptime_percentage * 100).toFixed(1)} %`, "n"),
        cell("Slots", `${pay.successful_polls} of ${pay.total_polls}`, "n"), cell("Share", pay.final_payout.toFixed(2), "n"),
        cell("Pool", entry.total_pool.toFixed(2), "n")));
    }
  }
  fill("payouts", rows, 6, "Nobody has served a stream in this hour yet.");
}

function showSummary(status) {
  const nodes = status.nodes.filter((n) => n.role !== "publisher");
  byId("sum-live").textContent = status.streams.filter((s) => s.status === "LIVE").length;
  byId("sum-nodes").textContent = `${nodes.filter((n) => n.health === "online").length} of ${nodes.length}`;
  byId("sum-viewers").textContent = status.streams.reduce((sum, s) => sum + s.viewers, 0);
  byId("sum-beats").textContent = status.heartbeats;
  byId("sum-earned").textContent = Number(status.earned).toFixed(2);
  byId("key").textContent = status.coordinator_key;
  byId("version").textContent = status.version;
}

function say(text, bad) {
  const state = byId("state");
  if (state.textContent === text) return;
  state.textContent = text;
  state.className = bad ? "state bad" : "state";
}

async function read(path) {
  const reply = await fetch(path, { cache: "no-store", headers: { Accept: "application/json" } });
  if (!reply.ok) throw new Error(`${path} answered ${reply.status}`);
  return reply.json();
}

async function refresh() {
  try {
    const [status, payouts] = await Promise.all([read("/v1/status"), read("/payouts")]);
    showSummary(status);
    showStreams(status);
    showNodes(status);
    showPayouts(status, payouts);
    if (status.storage === "good") say("Up to date", false);
    else say("The database cannot be written at the moment", true);
  } catch {
    say("The coordinator does not answer; trying again", true);
  }
  setTimeout(refresh, INTERVAL_MS);
}

refresh();
