// Serve the app shell and the last responses to a browser that goes offline. The network is always tried first.
// A stored response is used only if the network fails, and the page shows how old it is.
const SHELL = "shell-{{ name }}";
// The name is that of the deployment: a stored page of another one would load files that no longer exist.
const RESPONSES = "answers-{{ name }}";
const FILES = [{% for file in shell %}"{{ file|escapejs }}"{% if not forloop.last %}, {% endif %}{% endfor %}];
const MAX_RESPONSES = 60;

self.addEventListener("install", (event) => {
  const files = FILES.map((file) => new Request(file, { cache: "no-cache" })); // not those of the last deployment
  event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(files)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(deleteOldCaches().then(() => self.clients.claim()).then(storeOpenPages));
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (FILES.includes(url.pathname)) event.respondWith(fromShell(event.request));
  else if (isStored(url.pathname)) event.respondWith(networkFirst(event.request));
});

function isStored(path) {
  const page = path === "/" || path === "/panels/" || path === "/verify/" || /^\/games\/(\d+\/)?$/.test(path);
  return page || /^\/api\/(games|analytics)\//.test(path) && !path.endsWith("/export/");
}

// Store the pages that were loaded before this worker took control.
async function storeOpenPages() {
  const open = await self.clients.matchAll({ type: "window" });
  const urls = open.map((client) => client.url).filter((url) => isStored(new URL(url).pathname));
  await Promise.allSettled([...new Set(urls)].map((url) => networkFirst(new Request(url))));
}

async function fromShell(request) {
  return (await caches.match(request)) ?? fetch(request);
}

async function networkFirst(request) {
  try {
    const response = await fetch(request);
    if (response.ok && response.type === "basic") await store(request, response.clone());
    return response;
  } catch (error) {
    const stored = await caches.match(request);
    if (stored) return markStored(stored);
    throw error;
  }
}

// Mark a stored response, so that the page can distinguish it from the server's.
function markStored(stored) {
  const headers = new Headers(stored.headers);
  headers.set("X-Stored", "true");
  return new Response(stored.body, { status: stored.status, headers });
}

async function store(request, response) {
  const cache = await caches.open(RESPONSES);
  await cache.put(request, response); // keys() is in the order of put(): the oldest is deleted first
  const keys = await cache.keys();
  await Promise.all(keys.slice(0, Math.max(0, keys.length - MAX_RESPONSES)).map((key) => cache.delete(key)));
}

async function deleteOldCaches() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== SHELL && name !== RESPONSES).map((name) => caches.delete(name)));
}
