// The published formulas, era by era: games/fairness/formulas.py, which names the sources. A test compares the two.
export const FORMULAS = [
  {
    "name": "bcgame-unsalted",
    "site": "bcgame",
    "first_game": 1,
    "last_game": 2561902,
    "chain": "bcgame-unsalted",
    "chain_step": "HEX_TEXT",
    "randomness": "HASH",
    "salt": null,
    "significant_digits": 9,
    "edge_percent": 1
  },
  {
    "name": "bcgame-635380",
    "site": "bcgame",
    "first_game": 2561903,
    "last_game": 5282960,
    "chain": "bcgame-635380",
    "chain_step": "HEX_TEXT",
    "randomness": "HMAC",
    "salt": "0000000000000000000e3a66df611d6935b30632f352e4934c21059696117f28",
    "significant_digits": 9,
    "edge_percent": 1
  },
  {
    "name": "bcgame-758160",
    "site": "bcgame",
    "first_game": 5282961,
    "last_game": 5929890,
    "chain": "bcgame-758160",
    "chain_step": "HEX_TEXT",
    "randomness": "HMAC",
    "salt": "000000000000000000030587dd9ded1fcc5d603652da58deb670319bd2e09445",
    "significant_digits": 9,
    "edge_percent": 1
  },
  {
    "name": "bcgame-0301e280",
    "site": "bcgame",
    "first_game": 7100870,
    "last_game": null,
    "chain": "bcgame-0301e280",
    "chain_step": "HEX_TEXT",
    "randomness": "HMAC",
    "salt": "0000000000000000000301e2801a9a9598bfb114e574a91a887f2132f33047e6",
    "significant_digits": 9,
    "edge_percent": 1
  },
  {
    "name": "bustabit-v2",
    "site": "bustabit",
    "first_game": 1,
    "last_game": 10000000,
    "chain": "bustabit-v2",
    "chain_step": "HEX_TEXT",
    "randomness": "HMAC",
    "salt": "0000000000000000004d6ec16dafe9d8370958664c1dc422f452892264c59526",
    "significant_digits": null,
    "edge_percent": 1
  },
  {
    "name": "bustabit-vx",
    "site": "bustabit",
    "first_game": 10000001,
    "last_game": 12279450,
    "chain": "bustabit-10000000",
    "chain_step": "RAW_BYTES",
    "randomness": "BLS",
    "salt": null,
    "significant_digits": null,
    "edge_percent": 1
  },
  {
    "name": "bustabit-2024",
    "site": "bustabit",
    "first_game": 12279451,
    "last_game": null,
    "chain": "bustabit-10000000",
    "chain_step": "RAW_BYTES",
    "randomness": "HMAC",
    "salt": "00000000000000000001e08b7fd44f95e3e950ac65650a8031a6d5e1750e34be",
    "significant_digits": null,
    "edge_percent": 1
  }
];
