// "Verify any hash" and "Verify these": the browser computes its own verdict.
import { explain, formulaFor, previousHash } from "./fairness.js";

const HASH = /^[0-9a-f]{64}$/;
const POINT = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export function startVerifying() {
  const form = document.querySelector("[data-verify-form]");
  if (form) startForm(form);
  const button = document.querySelector("[data-verify-all]");
  if (button) startTable(button);
}

// Submitting the form calls the server and makes a URL that can be shared. Typing verifies in the browser alone.
function startForm(form) {
  form.addEventListener("input", () => {
    document.querySelector("[data-agreement]").hidden = true; // the server's result is for other values
    showVerdict(form);
  });
  if (form.elements.hash.value) showVerdict(form).then(showAgreement);
}

async function showVerdict(form) {
  const place = document.querySelector("[data-browser-result]");
  const hash = form.elements.hash.value.trim().toLowerCase();
  const gameId = gameIdOf(form.elements.game_id.value);
  const claimed = hundredthsOf(form.elements.crash_point.value);
  const result = await verdict(form.elements.site.value, gameId, hash, claimed);
  place.replaceChildren(line(`verdict ${result.kind}`, result.text), ...(result.steps ? [list(result.steps)] : []));
  return result;
}

// Compare the two verdicts if both have a crash point.
function showAgreement(result) {
  const place = document.querySelector("[data-agreement]");
  const servers = document.querySelector("[data-server-crash]").dataset.serverCrash;
  if (!servers || !result.hundredths) return;
  const agree = Number(servers) === result.hundredths;
  place.className = `verdict ${agree ? "ok" : "no"}`;
  place.textContent = agree ? "\u2713 Your browser and the server agree" : "\u2717 Your browser and the server do not agree";
  place.hidden = false;
}

// Return the steps under the same names as the server's (games/steps.html), so that a reader can compare them.
function rowsOf(formula, steps, before) {
  const salted = formula.randomness !== "HASH";
  const digits = formula.significant_digits;
  return [
    ["The hash", steps.hash],
    ["The era", formula.name],
    ["HMAC-SHA256, key: the salt as text", salted && steps.randomHex ? formula.salt : null],
    ["\u2026 message: the hash's 32 bytes; gives", salted ? steps.randomHex : null],
    ["The first 13 hexadecimal digits, 52 bits", steps.randomHex && `${steps.randomHex.slice(0, 13)} = ${steps.r} = r`],
    ["X = r / 2\u2075\u00b2", digits === null ? steps.x : steps.x && `${steps.exactX}, to ${digits} significant digits ${steps.x}`],
    ["99 / (1 \u2212 X), in hundredths", steps.quotient],
    ["Its whole part, at least 100, is the crash point", steps.hundredths && `${steps.hundredths} hundredths`],
    ["SHA-256 of the hash: the hash of the game before", before],
  ].filter(([, value]) => value !== null);
}

// Return { kind, text } and, if they can be computed, { steps, hundredths }. `claimed`: hundredths or null.
async function verdict(site, gameId, hash, claimed) {
  if (!crypto.subtle) return { kind: "un", text: "This browser offers its cryptography only over https or on localhost." };
  if (!HASH.test(hash)) return { kind: "un", text: "A hash has 64 hexadecimal digits." };
  const formula = Number.isSafeInteger(gameId) ? formulaFor(site, gameId) : undefined;
  if (!formula) return { kind: "un", text: "No formula is known for this game." };
  const steps = await explain(formula, hash);
  const before = await previousHash(formula, hash);
  const rows = rowsOf(formula, steps, before);
  if (steps.hundredths === null) return { kind: "un", text: "The crash point of this game cannot be computed here.", steps: rows };
  const point = `${POINT.format(steps.hundredths / 100)}\u00d7`;
  const result = { steps: rows, hundredths: steps.hundredths };
  if (claimed === null) return { ...result, kind: "ok", text: `The hash gives ${point}` };
  if (claimed === steps.hundredths) return { ...result, kind: "ok", text: `\u2713 Verified: the hash gives exactly ${point}` };
  return { ...result, kind: "no", text: `\u2717 Mismatch: the hash gives ${point}, not ${POINT.format(claimed / 100)}\u00d7` };
}

function startTable(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const rows = [...document.querySelectorAll("tr[data-game]")];
    const site = button.dataset.site;
    const results = await Promise.all(rows.map((row) => checkRow(site, row)));
    const links = await countLinks(site, rows);
    const agree = results.filter((one) => one === true).length;
    const differ = results.filter((one) => one === false).length;
    const place = document.querySelector("[data-verify-result]");
    place.hidden = false;
    place.textContent =
      `${agree} of ${rows.length} crash points verified by this browser` +
      (differ ? `, ${differ} mismatched` : "") +
      (links.all ? `; ${links.right} of ${links.all} links of the hash chain are unbroken.` : ". No two of these games follow each other.");
  });
}

async function checkRow(site, row) {
  const result = await verdict(site, Number(row.dataset.game), row.dataset.hash, hundredthsOf(row.dataset.crash));
  const text = result.kind === "ok" ? "in this browser too" : result.text;
  row.querySelector("[data-verdict]").replaceChildren(line(`verdict ${result.kind}`, text, "span"));
  return result.kind === "ok" ? true : result.kind === "no" ? false : null;
}

// Count the links between games of the table with consecutive ids, whatever its order.
async function countLinks(site, rows) {
  const hashes = new Map(rows.map((row) => [Number(row.dataset.game), row.dataset.hash]));
  const links = { all: 0, right: 0 };
  for (const [id, hash] of hashes) {
    const earlier = hashes.get(id - 1);
    const formula = formulaFor(site, id);
    if (!HASH.test(hash) || !earlier || !formula || formula.chain !== formulaFor(site, id - 1)?.chain) continue;
    links.all += 1;
    if ((await previousHash(formula, hash)) === earlier) links.right += 1;
  }
  return links;
}

// The texts that the server accepts too (games/importing/values.py): "#2699754", "Game #2699754"; "2.34x", "1,234.56".
function gameIdOf(text) {
  const found = /^(?:game\s*)?#?\s*(\d{1,16})$/i.exec(text.trim());
  return found ? Number(found[1]) : NaN;
}

function hundredthsOf(text) {
  const found = /^(\d+|\d{1,3}(?:,\d{3})+)(\.\d{1,2}0*)?\s*[x\u00d7]?$/i.exec(text.trim());
  return found ? Math.round(Number(found[1].replaceAll(",", "") + (found[2] ?? "")) * 100) : null;
}

function line(className, text, tag = "p") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

function list(rows) {
  const steps = Object.assign(document.createElement("ol"), { className: "steps" });
  for (const [name, value] of rows) {
    const item = document.createElement("li");
    item.append(line("", name, "h3"), line("", String(value), "code"));
    steps.append(item);
  }
  return steps;
}
