// Files to texts: UTF-8, or UTF-16 with a byte order mark, and an error in words for anything else.

const MAX_BYTES = 64 * 2 ** 20;

const SIGNATURES = [
  ["%PDF-", "a PDF"],
  ["PK\u0003\u0004", "a zip archive, such as .docx or .xlsx"],
  ["\u001f\u008b", "gzip data"],
  ["\u0089PNG", "an image"],
  ["\u00ff\u00d8\u00ff", "an image"],
];

/**
 * Read a file's text, with its own line breaks and without its byte order mark.
 *
 * @param {File} file
 * @returns {Promise<string>}
 * @throws {Error} if it cannot be read or is not text; the message is for the user
 */
export async function readText(file) {
  if (file.size > MAX_BYTES) throw new Error(`${file.name} is larger than ${MAX_BYTES / 2 ** 20} MiB.`);
  let bytes;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name} cannot be read. A folder cannot be opened: choose its files.`);
  }
  const text = decode(file.name, bytes);
  if (text.trim() === "") throw new Error(`${file.name} is empty.`);
  return text;
}

function decode(name, bytes) {
  const head = String.fromCharCode(...bytes.subarray(0, 8));
  const kind = SIGNATURES.find(([signature]) => head.startsWith(signature));
  if (kind) throw new Error(`${name} is not text but ${kind[1]}.`);
  const encoding = { "\u00ff\u00fe": "utf-16le", "\u00fe\u00ff": "utf-16be" }[head.slice(0, 2)] ?? "utf-8";
  let text;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new Error(`${name} is not ${encoding.slice(0, 6).toUpperCase()}. Convert it: iconv -f ENCODING -t UTF-8`);
  }
  if (text.includes("\0")) throw new Error(`${name} is not text: it holds zero bytes.`);
  return text;
}
