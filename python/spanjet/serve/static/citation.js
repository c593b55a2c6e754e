// Answers as citations. Offsets are code points, the end excluded.

/** Return an answer in the layout that citation APIs share. */
export function charLocation(answer) {
  return {
    type: "char_location",
    cited_text: answer.text,
    document_index: answer.passage,
    document_title: answer.source.name,
    start_char_index: answer.start,
    end_char_index: answer.end,
  };
}

/** Return an answer as a quotation with its place. */
export function quote(answer) {
  const title = answer.source.name === null ? "" : `${answer.source.name}, `;
  return `“${answer.text}” (${title}characters ${answer.start}–${answer.end})`;
}

/**
 * Copy a text to the clipboard.
 *
 * @returns {Promise<boolean>} false if the browser does not allow it
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // a page over plain HTTP has no clipboard API
  }
}

function copyBySelection(text) {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return copied;
}
