// The server counts code points; a JavaScript string counts UTF-16 code units, two for each of the upper planes.

/**
 * Convert offsets in code points to indices in UTF-16 code units.
 *
 * @param {string} text
 * @param {number[]} offsets in any order
 * @returns {number[]} indices in the order of the offsets
 * @throws {RangeError} if an offset is not within the text
 */
export function utf16Indices(text, offsets) {
  const order = offsets.map((_, position) => position).sort((a, b) => offsets[a] - offsets[b]);
  const indices = new Array(offsets.length);
  let index = 0;
  let codePoints = 0;
  for (const position of order) {
    const offset = offsets[position];
    while (codePoints < offset && index < text.length) {
      index += isPair(text, index) ? 2 : 1;
      codePoints += 1;
    }
    if (codePoints !== offset) throw new RangeError(`offset ${offset} is not within the text.`);
    indices[position] = index;
  }
  return indices;
}

/** Tell whether a surrogate pair begins at an index; a lone surrogate is a code point of its own. */
function isPair(text, index) {
  return (text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00;
}
