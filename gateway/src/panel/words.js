// What the panel says, in the person's language. The texts are in words/*.json, all with the same keys.

export const LANGUAGES = { en: "English", es: "Español", pt: "Português" };
const LANGUAGE = "rookery.language";

const load = async (code) => (await fetch(`/panel/words/${code}.json`)).json();
const known = (code) => code in LANGUAGES;

let chosen = [localStorage.getItem(LANGUAGE), ...navigator.languages.map((name) => name.slice(0, 2))].find((code) => code && known(code)) ?? "en";
let words = await load(chosen);

export const language = () => chosen;

export async function setLanguage(code) {
  words = await load(code);
  chosen = code;
  localStorage.setItem(LANGUAGE, code);
}

/** The text of a key; `{0}`, `{1}`… stand for the values. */
export function t(key, ...values) {
  const text = words[key] ?? key;
  return text.replace(/\{(\d)\}/g, (_, index) => String(values[index]));
}
