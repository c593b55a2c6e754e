// The keyboard, and files that are dropped or pasted.

const STEPS = { ArrowDown: 1, ArrowUp: -1, n: 1, p: -1 };

/**
 * Listen to keys. Letters act only on the answers and in a text that is not being edited.
 *
 * @param {{ask: function, move: function, focusAnswers: function, stop: function}} actions `stop` returns false
 *   if nothing is running
 */
export function connectKeys({ ask, move, focusAnswers, stop }) {
  const [question, paste, view, answers] = ["question", "paste", "view", "answers"].map((id) =>
    document.getElementById(id),
  );
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    const { key, target } = event;
    const plain = !(event.ctrlKey || event.altKey || event.metaKey || event.shiftKey);
    if (key === "Enter" && target === paste && (event.ctrlKey || event.metaKey)) ask();
    else if (!plain) return;
    else if (key === "Escape") {
      if (stop()) return;
      question.focus();
      question.select();
    } else if (key === "ArrowDown" && target === question) focusAnswers();
    else if (STEPS[key] && answers.contains(target)) move(STEPS[key], { focus: true });
    else if (STEPS[key] && key.length === 1 && view.contains(target)) {
      view.focus({ preventScroll: true }); // a mark that had the focus may go with its text
      move(STEPS[key]);
    } else return;
    event.preventDefault();
  });
}

/** Take files that are dropped anywhere on the page, or pasted. */
export function connectDrop(addFiles) {
  const root = document.documentElement;
  const holdsFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    root.classList.add("dropping");
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    if (relatedTarget === null) root.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    root.classList.remove("dropping");
    if (!holdsFiles(event)) return;
    event.preventDefault();
    addFiles(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    const { files, types } = event.clipboardData;
    if (files.length === 0 || types.includes("text/plain")) return;
    event.preventDefault();
    addFiles(files);
  });
}
