// What the test page runs: plays one address with hls.js or shaka-player and tells how the picture goes on.
"use strict";

window.errors = [];
const note = (fatal, details) => window.errors.push({ fatal, details });
const video = () => document.getElementById("video");

function playWithHls(url, low) {
  const hls = new Hls({ enableWorker: true, lowLatencyMode: low });
  hls.on(Hls.Events.ERROR, (_, data) => note(data.fatal, data.details));
  hls.on(Hls.Events.MANIFEST_PARSED, () => video().play().catch((error) => note(true, String(error))));
  hls.loadSource(url);
  hls.attachMedia(video());
  window.latency = () => hls.latency;
  window.pathway = () => hls.contentSteering ? hls.pathways : [];
}

async function playWithShaka(url, low) {
  const player = new shaka.Player();
  player.addEventListener("error", (event) => note(event.detail.severity === 2, `shaka ${event.detail.code}`));
  player.configure({ streaming: { lowLatencyMode: low }, manifest: { hls: { ignoreManifestProgramDateTime: false } } });
  window.latency = () => {
    const began = player.getPlayheadTimeAsDate();
    return began ? (Date.now() - began.getTime()) / 1000 : 0;
  };
  try {
    await player.attach(video());
    await player.load(url);
    await video().play();
  } catch (error) {
    note(true, `shaka ${error.code ?? ""} ${error.message ?? error} ${JSON.stringify(error.data ?? "").slice(0, 300)}`);
  }
}

window.play = (player, url, low) => player === "shaka" ? playWithShaka(url, low) : playWithHls(url, low);
window.look = () => {
  const quality = video().getVideoPlaybackQuality();
  return { time: video().currentTime, frames: quality.totalVideoFrames, dropped: quality.droppedVideoFrames,
           width: video().videoWidth, height: video().videoHeight, latency_s: window.latency ? window.latency() : 0,
           errors: window.errors };
};
