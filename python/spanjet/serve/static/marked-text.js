// A text with marked spans: one text node for each stretch between their ends, in blocks of whole lines.

/** UTF-16 code units, at least, of a block; the browser lays out those blocks alone that are seen. */
const BLOCK = 4096;

/**
 * Fill an element with a text and mark spans in it.
 *
 * Every mark holds a link, which carries the span's accessible name and its place in the list. Spans may overlap.
 *
 * @param {Element} element
 * @param {string} text
 * @param {{first: number, last: number, id: string, name: string}[]} spans best first; `first` and `last` are
 *   indices in UTF-16 code units, the end excluded
 * @returns {Map<string, HTMLElement[]>} marks of each span by its id
 */
export function fillMarked(element, text, spans) {
  const marks = new Map(spans.map(({ id }) => [id, []]));
  const starts = new Set(blockStarts(text, spans));
  const cuts = [...new Set([...starts, text.length, ...spans.flatMap(({ first, last }) => [first, last])])];
  cuts.sort((a, b) => a - b);
  const content = document.createDocumentFragment();
  let block;
  for (let cut = 0; cut + 1 < cuts.length; cut += 1) {
    const [from, to] = [cuts[cut], cuts[cut + 1]];
    if (starts.has(from)) {
      block = document.createElement("div");
      content.append(block);
    }
    const covering = spans.filter(({ first, last }) => first <= from && to <= last);
    const stretch = document.createTextNode(visible(text, from, to));
    if (covering.length === 0) {
      block.append(stretch);
      continue;
    }
    const mark = document.createElement("mark");
    const link = document.createElement("a");
    link.href = `#${covering[0].id}`;
    link.draggable = false;
    link.setAttribute("aria-label", covering[0].name);
    link.append(stretch);
    mark.append(link);
    block.append(mark);
    for (const { id } of covering) marks.get(id).push(mark);
  }
  element.replaceChildren(content);
  return marks;
}

/** Return where blocks start: at lines, and not within a span. */
function blockStarts(text, spans) {
  const starts = [0];
  const lineBreak = /\r\n|[\r\n]/g;
  lineBreak.lastIndex = BLOCK;
  while (lineBreak.test(text)) {
    const start = lineBreak.lastIndex;
    if (spans.some(({ first, last }) => first < start && start < last)) continue;
    starts.push(start);
    lineBreak.lastIndex = start + BLOCK;
  }
  return starts;
}

/** Return a part of a text as it is shown: CR LF and a lone CR break a line once, also at a span's end. */
function visible(text, from, to) {
  const part = text.slice(from, to);
  if (!part.includes("\r")) return part;
  const whole = part.endsWith("\r") && text[to] === "\n" ? part.slice(0, -1) : part;
  return whole.replace(/\r\n?/g, "\n");
}
