// The browser has the list of time zones, so the page need not contain six hundred names.
export function startZones() {
  const list = document.querySelector("[data-zones]");
  if (!list || !Intl.supportedValuesOf) return;
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zones = new Set([own, "UTC", ...Intl.supportedValuesOf("timeZone")]);
  list.append(...[...zones].map((zone) => Object.assign(document.createElement("option"), { value: zone })));
}
