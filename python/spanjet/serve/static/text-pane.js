// The texts: one that is pasted, and files; a tab each, and below them the open one.

import { readText } from "./files.js";
import { fillMarked } from "./marked-text.js";

/**
 * Pane of the texts. A source is {name, text}; the pasted text's name is null.
 *
 * Dispatches "change" when a text is edited, added or removed, "refuse" ({detail: message}) when a file cannot be
 * read, and "choose" ({detail: answer}) when a mark is activated.
 */
export class TextPane extends EventTarget {
  #tabs = document.getElementById("tabs");
  #panel = document.getElementById("panel");
  #paste = document.getElementById("paste");
  #view = document.getElementById("view");
  #edit = document.getElementById("edit");
  #remove = document.getElementById("remove");
  #chooser = document.getElementById("files");
  #pasted;
  #sources;
  #open;
  #answers = [];
  #current = null;
  #marks = new Map();
  #editing = false;
  #created = 0;

  constructor() {
    super();
    const area = this.#paste;
    this.#pasted = {
      name: null,
      id: "text-0",
      get text() {
        return area.value;
      },
    };
    this.#sources = [this.#pasted];
    this.#open = this.#pasted;
    this.#listen();
    this.#render();
  }

  /** Texts that are not blank, in the order of their tabs. */
  get sources() {
    return this.#sources.filter(({ text }) => text.trim() !== "").map(({ name, text, id }) => ({ name, text, id }));
  }

  /** Read files and add those that are texts. */
  async addFiles(files) {
    const read = await Promise.allSettled([...files].map(readText));
    const added = read.flatMap(({ value: text }, index) => {
      if (text === undefined) return [];
      this.#created += 1;
      return [{ name: files[index].name, text, id: `text-${this.#created}` }];
    });
    this.#sources.push(...added);
    if (added.length) {
      this.#dispatch("change");
      this.open(added[0]);
    }
    const refused = read.filter(({ reason }) => reason);
    if (refused.length) this.#dispatch("refuse", refused.map(({ reason }) => reason.message).join(" "));
  }

  /** Show a source. */
  open({ id }) {
    this.#open = this.#sources.find((source) => source.id === id);
    this.#editing = false;
    this.#render();
    this.#tab(this.#open).scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Mark answers, best first, in the texts; an empty list takes the marks away. */
  mark(answers) {
    this.#answers = answers;
    this.#current = null;
    this.#editing = false;
    this.#render();
  }

  /** Show an answer in its text. */
  show(answer) {
    this.#current = answer;
    if (this.#open.id !== answer.source.id || this.#editing) this.open(answer.source);
    else this.#renderCurrent();
  }

  #listen() {
    this.#paste.addEventListener("input", () => this.#dispatch("change"));
    this.#edit.addEventListener("click", () => {
      this.#editing = true;
      this.#render();
      this.#paste.focus();
    });
    this.#remove.addEventListener("click", () => this.#removeSource(this.#open));
    document.getElementById("add-files").addEventListener("click", () => this.#chooser.click());
    this.#chooser.addEventListener("change", async () => {
      const files = [...this.#chooser.files];
      this.#chooser.value = ""; // so that the same file can be chosen again
      await this.addFiles(files);
    });
    this.#view.addEventListener("click", (event) => {
      const link = event.target.closest("mark a");
      if (!link) return;
      event.preventDefault();
      this.#dispatch("choose", this.#answers.find(({ id }) => link.hash === `#${id}`));
    });
    this.#tabs.addEventListener("keydown", (event) => this.#moveTab(event));
  }

  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #removeSource(source) {
    const index = this.#sources.indexOf(source);
    this.#sources.splice(index, 1);
    this.#open = this.#sources[Math.min(index, this.#sources.length - 1)];
    this.#render();
    this.#tab(this.#open).focus();
    this.#dispatch("change");
  }

  #moveTab(event) {
    const index = this.#sources.indexOf(this.#open);
    const last = this.#sources.length - 1;
    const target = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: last }[event.key];
    if (event.key === "Delete" && this.#open !== this.#pasted) this.#removeSource(this.#open);
    else if (target === undefined) return;
    else {
      this.open(this.#sources[(target + last + 1) % (last + 1)]);
      this.#tab(this.#open).focus();
    }
    event.preventDefault();
  }

  #tab({ id }) {
    return document.getElementById(`tab-${id}`);
  }

  #answersIn({ id }) {
    return this.#answers.filter(({ source }) => source.id === id);
  }

  #render() {
    const focused = this.#tabs.contains(document.activeElement);
    this.#tabs.replaceChildren(...this.#sources.map((source) => this.#newTab(source)));
    if (focused) this.#tab(this.#open).focus();
    this.#panel.setAttribute("aria-labelledby", `tab-${this.#open.id}`);
    const answers = this.#answersIn(this.#open);
    const pasted = this.#open === this.#pasted;
    const writing = pasted && (this.#editing || answers.length === 0);
    this.#paste.hidden = !writing;
    this.#view.hidden = writing;
    // Their place is kept, so that nothing moves.
    this.#edit.classList.toggle("away", !pasted || writing);
    this.#remove.classList.toggle("away", pasted);
    this.#marks = writing ? new Map() : fillMarked(this.#view, this.#open.text, answers);
    this.#view.scrollTop = 0;
    this.#renderCurrent();
  }

  #newTab(source) {
    const tab = document.createElement("button");
    const selected = source === this.#open;
    tab.type = "button";
    tab.id = `tab-${source.id}`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-selected", selected);
    tab.setAttribute("aria-controls", "panel");
    tab.tabIndex = selected ? 0 : -1;
    tab.title = source.name ?? "";
    const name = document.createElement("bdi");
    name.textContent = source.name ?? "Pasted text";
    const count = this.#answersIn(source).length;
    const badge = document.createElement("span");
    badge.className = "badge";
    const unit = document.createElement("span");
    unit.className = "hidden";
    unit.textContent = count === 1 ? " answer" : " answers";
    if (count) badge.append(`${count}`, unit);
    tab.append(name, " ", badge);
    tab.addEventListener("click", () => this.open(source));
    return tab;
  }

  #renderCurrent() {
    for (const marks of this.#marks.values()) for (const mark of marks) mark.classList.remove("current");
    const marks = this.#marks.get(this.#current?.id) ?? [];
    for (const mark of marks) mark.classList.add("current");
    if (!marks.length) return;
    // Heights of what was not seen yet are estimates, so one time may not be enough.
    for (let time = 0; time < 3; time += 1) this.#scrollTo(marks[0]);
  }

  /** Scroll the pane to a mark unless it is in sight; the page stays where it is. */
  #scrollTo(mark) {
    const view = this.#view.getBoundingClientRect();
    const line = mark.getClientRects()[0];
    if (line.top < view.top + 32 || line.bottom > view.bottom - 32) {
      this.#view.scrollTop += line.top - view.top - view.height / 3;
    }
  }
}
