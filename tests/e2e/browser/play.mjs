// Plays one HLS address with hls.js in headless Chromium and prints what it saw as one line of JSON.
//
//   node play.mjs URL [--seconds 10] [--timeout 60]
//
// Exit code 0 when the picture ran on for that many seconds without a fatal error, 1 when not, 2 on wrong usage.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const CHROMIUM_PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

function parseArguments(argv) {
  const options = { url: "", seconds: 10, timeout: 60 };
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === "--seconds") options.seconds = Number(argv[++i]);
    else if (argv[i] === "--timeout") options.timeout = Number(argv[++i]);
    else options.url = argv[i];
  }
  if (!options.url || !(options.seconds > 0) || !(options.timeout > 0)) {
    console.error("play.mjs: expected URL [--seconds N] [--timeout N]");
    process.exit(2);
  }
  return options;
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>player</title>
<video id="video" muted playsinline width="640" height="360"></video>
<script src="/hls.js"></script>
<script>
  window.errors = [];
  window.play = (url) => {
    const video = document.getElementById("video");
    const hls = new Hls({ enableWorker: true });
    hls.on(Hls.Events.ERROR, (_, data) => window.errors.push({ fatal: data.fatal, details: data.details }));
    hls.on(Hls.Events.MANIFEST_PARSED, () => video.play().catch((e) => window.errors.push({ fatal: true, details: String(e) })));
    hls.loadSource(url);
    hls.attachMedia(video);
  };
  window.look = () => {
    const video = document.getElementById("video");
    const quality = video.getVideoPlaybackQuality();
    return { time: video.currentTime, frames: quality.totalVideoFrames, dropped: quality.droppedVideoFrames,
             width: video.videoWidth, height: video.videoHeight, errors: window.errors };
  };
</script>`;

async function servePage() {
  const script = await readFile(fileURLToPath(new URL("./node_modules/hls.js/dist/hls.min.js", import.meta.url)));
  const server = createServer((request, response) => {
    const isScript = request.url === "/hls.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html; charset=utf-8");
    response.end(isScript ? script : PAGE);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

// Playback counts from the first moving picture; a stop in between only costs time.
async function watch(page, options) {
  const deadline = Date.now() + options.timeout * 1000;
  let first;
  let seen;
  while (Date.now() < deadline) {
    seen = await page.evaluate(() => window.look());
    if (first === undefined && seen.time > 0 && seen.frames > 0) first = seen.time;
    if (first !== undefined && seen.time - first >= options.seconds) break;
    if (seen.errors.some((error) => error.fatal)) break;
    await page.waitForTimeout(250);
  }
  const played = first === undefined ? 0 : seen.time - first;
  const fatal = seen.errors.filter((error) => error.fatal);
  return { played_s: Number(played.toFixed(2)), frames: seen.frames, dropped: seen.dropped, width: seen.width,
           height: seen.height, errors: seen.errors, ok: fatal.length === 0 && played >= options.seconds };
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
  // Nothing but the page itself talks to a network, and no second protocol stands beside HTTP/1.1.
  args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-gpu", "--mute-audio", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.evaluate((url) => window.play(url), options.url);
  const result = await watch(page, options);
  console.log(JSON.stringify(result));
  process.exitCode = result.ok ? 0 : 1;
} finally {
  await browser.close();
  server.close();
}
