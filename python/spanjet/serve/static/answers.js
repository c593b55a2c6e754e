// Answers of the server, placed in the texts that were sent.

import { utf16Indices } from "./offsets.js";

/** Number of UTF-16 code units of the sentence that are shown before and after an answer. */
const CONTEXT = 160;

/** Format a probability as percent, with one digit more below 10 %; never as 0 % or 100 %. */
export function percent(probability) {
  if (probability < 0.001) return "<0.1%";
  if (probability > 0.99) return ">99%";
  return `${(100 * probability).toFixed(probability < 0.0995 ? 1 : 0)}%`;
}

/**
 * Place the answers of a response in their texts.
 *
 * @param {{answers: object[]}} content body of the response, best answer first
 * @param {{name: ?string, text: string, id: string}[]} sources texts as they were sent
 * @returns {object[]} the answers with `id`, `name` (for screen readers), `source`, `first` and `last` (indices in
 *   UTF-16 code units), and `before` and `after` (the rest of the sentence)
 * @throws {RangeError} if an answer is not in its text
 */
export function placed(content, sources) {
  const answers = content.answers.filter(({ is_null: isNull }) => !isNull);
  const byPassage = new Map();
  for (const answer of answers) {
    if (!sources[answer.passage]) throw new RangeError(`the server names a text ${answer.passage}, which was not sent.`);
    byPassage.set(answer.passage, [...(byPassage.get(answer.passage) ?? []), answer]);
  }
  const places = new Map();
  for (const [passage, found] of byPassage) {
    const offsets = found.flatMap((answer) => [answer.start, answer.end, answer.sentence_start, answer.sentence_end]);
    const indices = utf16Indices(sources[passage].text, offsets);
    found.forEach((answer, position) => places.set(answer, indices.slice(4 * position, 4 * position + 4)));
  }
  return answers.map((answer, rank) => place(answer, rank + 1, sources[answer.passage], places.get(answer)));
}

function place(answer, rank, source, [first, last, sentenceFirst, sentenceLast]) {
  if (source.text.slice(first, last) !== answer.text) {
    throw new RangeError(`characters ${answer.start} to ${answer.end} are not “${answer.text}”.`);
  }
  const before = source.text.slice(sentenceFirst, first);
  const after = source.text.slice(last, sentenceLast);
  return {
    ...answer,
    id: `answer-${rank}`,
    name: `Answer ${rank}, ${percent(answer.score)}: ${answer.text}`,
    source,
    first,
    last,
    before: before.length > CONTEXT ? `…${wholePairs(before.slice(-CONTEXT))}` : before,
    after: after.length > CONTEXT ? `${wholePairs(after.slice(0, CONTEXT))}…` : after,
  };
}

/** Drop half a surrogate pair at either end. */
function wholePairs(text) {
  return text.replace(/^[\udc00-\udfff]|[\ud800-\udbff]$/g, "");
}
