// The list of answers; one of them is the current one.

import { percent } from "./answers.js";

/** List of answers. Dispatches "choose" ({detail: answer}) when one is activated. */
export class AnswerList extends EventTarget {
  #list = document.getElementById("answers");
  #items = new Map();

  /** Show answers, best first; with `named`, each with its file. */
  fill(answers, { named }) {
    this.#items = new Map(answers.map((answer) => [answer.id, this.#item(answer, named)]));
    this.#list.replaceChildren(
      ...[...this.#items.values()].map((button) => {
        const item = document.createElement("li");
        item.append(button);
        return item;
      }),
    );
  }

  /** Make an answer the current one. */
  show({ id }, { focus }) {
    for (const button of this.#items.values()) button.removeAttribute("aria-current");
    const button = this.#items.get(id);
    button.setAttribute("aria-current", "true");
    if (focus) button.focus({ preventScroll: true });
    if (focus || scrolls(this.#list.parentElement)) button.scrollIntoView({ block: "nearest" });
  }

  #item(answer, named) {
    const button = document.createElement("button");
    button.type = "button";
    button.id = answer.id;
    const place = `${answer.start}–${answer.end}`;
    const sentence = element("span", "sentence");
    sentence.dir = "auto";
    sentence.append(answer.before, element("b", "", answer.text), answer.after);
    const foot = element("span", "place");
    if (named) foot.append(element("bdi", "file", answer.source.name ?? "Pasted text"), " ");
    foot.append(element("span", "offsets", place));
    button.append(element("bdi", "answer", answer.text), " ", element("span", "score", percent(answer.score)), " ");
    button.append(sentence, " ", foot);
    button.addEventListener("click", () => this.dispatchEvent(new CustomEvent("choose", { detail: answer })));
    return button;
  }
}

/** Tell whether a pane scrolls by itself, so that the page stays where it is. */
function scrolls(pane) {
  return getComputedStyle(pane).overflowY === "auto";
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
