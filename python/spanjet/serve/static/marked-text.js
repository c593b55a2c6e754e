// A text with marked spans, built of one text node for each stretch between their ends.

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
  const cuts = [...new Set([0, text.length, ...spans.flatMap(({ first, last }) => [first, last])])];
  cuts.sort((a, b) => a - b);
  const content = document.createDocumentFragment();
  for (let cut = 0; cut + 1 < cuts.length; cut += 1) {
    const [from, to] = [cuts[cut], cuts[cut + 1]];
    const covering = spans.filter(({ first, last }) => first <= from && to <= last);
    const stretch = document.createTextNode(visible(text, from, to));
    if (covering.length === 0) {
      content.append(stretch);
      continue;
    }
    const mark = document.createElement("mark");
    const link = document.createElement("a");
    link.href = `#${covering[0].id}`;
    link.draggable = false;
    link.setAttribute("aria-label", covering[0].name);
    link.append(stretch);
    mark.append(link);
    content.append(mark);
    for (const { id } of covering) marks.get(id).push(mark);
  }
  element.replaceChildren(content);
  return marks;
}

/** Return a part of a text as it is shown: CR LF and a lone CR break a line once, also at a span's end. */
function visible(text, from, to) {
  const part = text.slice(from, to);
  if (!part.includes("\r")) return part;
  const whole = part.endsWith("\r") && text[to] === "\n" ? part.slice(0, -1) : part;
  return whole.replace(/\r\n?/g, "\n");
}
