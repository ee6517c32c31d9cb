// Compute a crash point from a hash as the sites do. Their formulas are defined in JavaScript's doubles.
// Nothing here calls the server. The formulas are data: formulas.js.
import { FORMULAS } from "./formulas.js";

const RANDOM_DIGITS = 13; // hexadecimal: 52 bits

export function formulaFor(site, gameId) {
  return FORMULAS.find(
    (one) => one.site === site && one.first_game <= gameId && (one.last_game === null || gameId <= one.last_game),
  );
}

// Return every step. `hundredths` is null if the crash point of the era cannot be computed here.
export async function explain(formula, hash) {
  const steps = { hash, randomHex: null, r: null, exactX: null, x: null, quotient: null, hundredths: null };
  if (formula.randomness === "BLS") return steps;
  steps.randomHex = formula.randomness === "HASH" ? hash : await hmac(formula.salt, bytesOf(hash));
  steps.r = parseInt(steps.randomHex.slice(0, RANDOM_DIGITS), 16);
  steps.exactX = steps.r / 2 ** 52;
  steps.x = rounded(steps.exactX, formula.significant_digits);
  if (steps.x === 1) return steps; // the formula divides by zero
  steps.quotient = (100 - formula.edge_percent) / (1 - steps.x);
  steps.hundredths = Math.max(100, Math.floor(steps.quotient));
  return steps;
}

// Return the hash of the previous game. `formula` is that of the later game.
export async function previousHash(formula, hash) {
  return hexOf(await crypto.subtle.digest("SHA-256", formula.chain_step === "HEX_TEXT" ? textBytes(hash) : bytesOf(hash)));
}

function rounded(x, digits) {
  return digits === null ? x : parseFloat(x.toPrecision(digits));
}

async function hmac(keyText, message) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", textBytes(keyText), algorithm, false, ["sign"]);
  return hexOf(await crypto.subtle.sign("HMAC", key, message));
}

function textBytes(text) {
  return new TextEncoder().encode(text);
}

function bytesOf(hex) {
  return Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
}

function hexOf(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
