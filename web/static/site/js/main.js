import { startAges } from "./ages.js";
import { startLive } from "./live.js";
import { startTheme } from "./theming.js";
import { startVerifying } from "./verify.js";
import { startZones } from "./zones.js";

startTheme();
startZones();
startVerifying();
const page = document.querySelector("[data-panels-url]");
if (page) {
  startAges(page);
  startLive(page);
}
if ("serviceWorker" in navigator && window.isSecureContext) {
  navigator.serviceWorker.register("/service-worker.js").catch(() => {}); // without it the page works, but not offline
}
