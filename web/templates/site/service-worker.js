// The shell and the last answers, for a browser that goes offline. What is online is always asked first; a stored
// answer is shown only when the network gives none, and the page says how old it is.
const SHELL = "shell-{{ name }}";
const ANSWERS = "answers-{{ name }}"; // a page of another deployment would ask for files that are gone
const FILES = [{% for file in shell %}"{{ file|escapejs }}"{% if not forloop.last %}, {% endif %}{% endfor %}];
const MAX_ANSWERS = 60;

self.addEventListener("install", (event) => {
  const files = FILES.map((file) => new Request(file, { cache: "no-cache" })); // not the last deployment's
  event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(files)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(forgetOthers().then(() => self.clients.claim()).then(keepOpen));
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (FILES.includes(url.pathname)) event.respondWith(fromShell(event.request));
  else if (isKept(url.pathname)) event.respondWith(networkFirst(event.request));
});

function isKept(path) {
  const page = path === "/" || path === "/panels/" || path === "/verify/" || /^\/games\/(\d+\/)?$/.test(path);
  return page || /^\/api\/(games|analytics)\//.test(path) && !path.endsWith("/export/");
}

// What is open was loaded before this worker ruled.
async function keepOpen() {
  const open = await self.clients.matchAll({ type: "window" });
  const kept = open.map((client) => client.url).filter((url) => isKept(new URL(url).pathname));
  await Promise.allSettled([...new Set(kept)].map((url) => networkFirst(new Request(url))));
}

async function fromShell(request) {
  return (await caches.match(request)) ?? fetch(request);
}

async function networkFirst(request) {
  try {
    const response = await fetch(request);
    if (response.ok && response.type === "basic") await keep(request, response.clone());
    return response;
  } catch (error) {
    const stored = await caches.match(request);
    if (stored) return marked(stored);
    throw error;
  }
}

// Who asks must be able to tell it from the server's.
function marked(stored) {
  const headers = new Headers(stored.headers);
  headers.set("X-Stored", "true");
  return new Response(stored.body, { status: stored.status, headers });
}

async function keep(request, response) {
  const cache = await caches.open(ANSWERS);
  await cache.put(request, response); // last put is last in keys(): the oldest goes first
  const keys = await cache.keys();
  await Promise.all(keys.slice(0, Math.max(0, keys.length - MAX_ANSWERS)).map((key) => cache.delete(key)));
}

async function forgetOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== SHELL && name !== ANSWERS).map((name) => caches.delete(name)));
}
