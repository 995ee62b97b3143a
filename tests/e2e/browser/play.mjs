// Plays one HLS address in headless Chromium, once for each player asked for, all at the same time, and prints what each
// saw as one line of JSON.
//
//   node play.mjs URL [--player hls:low]… [--seconds 10] [--timeout 60]
//
// A player is hls (hls.js) or shaka (shaka-player), then its mode: low (latency) or default. Without one: hls:low.
// Exit code 0 when every picture ran on for that many seconds without a fatal error, 1 when one did not, 2 on wrong usage.
// On standard error a line "playing PLAYER at HOST" tells when three seconds were played, and from where.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const CHROMIUM_PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const PLAYER = /^(hls|shaka):(low|default)$/;
const SCRIPTS = {
  "/hls.js": "./node_modules/hls.js/dist/hls.min.js",
  "/shaka.js": "./node_modules/shaka-player/dist/shaka-player.compiled.js",
  "/page.js": "./page.js",
};
const PAGE = `<!doctype html><meta charset="utf-8"><title>player</title>
<video id="video" muted playsinline width="640" height="360"></video>
<script src="/hls.js"></script><script src="/shaka.js"></script><script src="/page.js"></script>`;

function parseArguments(argv) {
  const options = { url: "", players: [], seconds: 10, timeout: 60 };
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === "--seconds") options.seconds = Number(argv[++i]);
    else if (argv[i] === "--timeout") options.timeout = Number(argv[++i]);
    else if (argv[i] === "--player") options.players.push(argv[++i] ?? "");
    else options.url = argv[i];
  }
  if (options.players.length === 0) options.players.push("hls:low");
  const known = options.players.every((player) => PLAYER.test(player));
  if (!options.url || !known || !(options.seconds > 0) || !(options.timeout > 0)) {
    console.error("play.mjs: expected URL [--player hls|shaka:low|default]… [--seconds N] [--timeout N]");
    process.exit(2);
  }
  return options;
}

async function servePage() {
  const server = createServer(async (request, response) => {
    const script = SCRIPTS[request.url];
    response.setHeader("Content-Type", script ? "text/javascript" : "text/html; charset=utf-8");
    response.end(script ? await readFile(fileURLToPath(new URL(script, import.meta.url))) : PAGE);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

// What a page asked the network for: enough to see whether a player uses parts, blocking reloads and delta updates.
function countRequests(page) {
  const seen = { parts: 0, segments: 0, blocking: 0, deltas: 0, host: "", hosts: {}, refused: {} };
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (!url.pathname.startsWith("/live/")) return;
    if (/\/\d+\.\d+\.m4s$/.test(url.pathname)) seen.parts++;
    else if (/\/\d+\.m4s$/.test(url.pathname)) seen.segments++;
    if (url.searchParams.has("_HLS_msn")) seen.blocking++;
    if (url.searchParams.has("_HLS_skip")) seen.deltas++;
    seen.host = url.host;
    seen.hosts[url.host] = (seen.hosts[url.host] ?? 0) + 1;
  });
  page.on("response", (response) => {
    if (response.status() >= 400) seen.refused[response.status()] = (seen.refused[response.status()] ?? 0) + 1;
  });
  return seen;
}

// Playback counts from the first moving picture; a stop in between only costs time.
async function watch(page, player, requests, options) {
  const deadline = Date.now() + options.timeout * 1000;
  let first;
  let told = false;
  let seen;
  while (Date.now() < deadline) {
    seen = await page.evaluate(() => window.look());
    if (first === undefined && seen.time > 0 && seen.frames > 0) first = seen.time;
    if (!told && first !== undefined && seen.time - first >= 3) {
      told = true;
      console.error(`playing ${player} at ${requests.host}`);
    }
    if (first !== undefined && seen.time - first >= options.seconds) break;
    if (seen.errors.some((error) => error.fatal)) break;
    await page.waitForTimeout(250);
  }
  const played = first === undefined ? 0 : seen.time - first;
  const fatal = seen.errors.filter((error) => error.fatal);
  return { player, played_s: Number(played.toFixed(2)), latency_s: Number((seen.latency_s ?? 0).toFixed(2)),
           frames: seen.frames, dropped: seen.dropped, width: seen.width, height: seen.height, errors: seen.errors,
           ok: fatal.length === 0 && played >= options.seconds };
}

async function playOne(browser, server, player, options) {
  const page = await browser.newPage();
  const requests = countRequests(page);
  const [name, mode] = player.split(":");
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.evaluate(([name, url, low]) => { window.play(name, url, low); }, [name, options.url, mode === "low"]);
  const result = { ...await watch(page, player, requests, options), requests };
  console.log(JSON.stringify(result));
  await page.close();
  return result.ok;
}

const options = parseArguments(process.argv.slice(2));
const executablePath = process.env.CHROMIUM || CHROMIUM_PLACES.find((place) => existsSync(place));
if (!executablePath) {
  console.error("play.mjs: no Chromium found; install the package chromium or set CHROMIUM to its path");
  process.exit(2);
}
const server = await servePage();
const browser = await chromium.launch({
  executablePath,
  headless: true,
  // Nothing but the page itself talks to a network, and no second protocol stands beside HTTP/1.1. Each page plays as if
  // it were the one in front.
  args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-gpu", "--mute-audio", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows"],
});
try {
  const went = await Promise.all(options.players.map((player) => playOne(browser, server, player, options)));
  process.exitCode = went.every(Boolean) ? 0 : 1;
} finally {
  await browser.close();
  server.close();
}
