// The page: a question goes to the texts; the answers come to the list, and to their places in the texts.

import { AnswerList } from "./answer-list.js";
import { percent, placed } from "./answers.js";
import { charLocation, copy, quote } from "./citation.js";
import { RequestError, search } from "./client.js";
import { askForToken, connectHelp } from "./dialogs.js";
import { connectDrop, connectKeys } from "./input.js";
import { TextPane } from "./text-pane.js";

/** Milliseconds after which a request is said to be running: quick answers come without a flicker. */
const BUSY_DELAY = 200;

const TOO_MUCH = 413;
const NOT_UNDERSTOOD = 422;
const NO_TOKEN = 401;

const byId = (id) => document.getElementById(id);
const question = byId("question");
const results = byId("results");
const summary = byId("summary");
const failure = byId("failure");
const toolbar = ["previous", "next", "copy-quote", "copy-json"].map(byId);

const texts = new TextPane();
const list = new AnswerList();
let answers = [];
let current = 0;
let running = null;
let answered = false;

/** Ask the question; a running request is aborted. */
async function ask() {
  stop();
  const sources = texts.sources;
  if (question.value.trim() === "" || sources.length === 0) {
    const missing = sources.length ? "There is no question." : "There is no text to ask. Paste one, or add files.";
    fail(missing);
    if (sources.length) question.focus();
    return;
  }
  const request = new AbortController();
  running = request;
  fail("");
  byId("answers").setAttribute("aria-busy", "true");
  const timer = setTimeout(showBusy, BUSY_DELAY);
  try {
    const options = { topK: Number(byId("top-k").value), unlikely: byId("unlikely").checked };
    const content = await search({ question: question.value, passages: sources, ...options }, request.signal);
    if (running === request) showResult(content, sources);
  } catch (error) {
    if (running === request) showError(error);
  } finally {
    clearTimeout(timer);
    if (running === request) stop();
  }
}

/** Abort the running request, if there is one. */
function stop() {
  running?.abort();
  running = null;
  byId("answers").setAttribute("aria-busy", "false");
  results.classList.remove("busy");
}

function showBusy() {
  results.classList.add("busy");
  say("Asking …");
}

async function showError(error) {
  showAnswers([]);
  if (!(error instanceof RequestError)) {
    fail(`The page cannot show the answers: ${error.message}`);
    return;
  }
  fail(error.message, { again: ![TOO_MUCH, NOT_UNDERSTOOD].includes(error.status) });
  if (error.status === NO_TOKEN && (await askForToken(error.message))) ask();
}

function showResult(content, sources) {
  const several = sources.length > 1;
  showAnswers(placed(content, sources), { several });
  const count = answers.length === 1 ? "1 answer. " : `${answers.length} answers. `;
  const none = several ? `Not in these ${sources.length} texts` : "Not in this text";
  const warning = content.warning ? ` But ${content.warning}.` : "";
  say(`${answers.length ? count : ""}${none}: ${percent(content.no_answer)} likely.${warning}`);
  answered = true;
  results.classList.toggle("none", answers.length === 0);
}

/** Show answers in the list and in the texts, the first as the current one; none takes them away. */
function showAnswers(found, { several = false } = {}) {
  answers = found;
  list.fill(answers, { named: several });
  texts.mark(answers);
  for (const button of toolbar) button.disabled = answers.length === 0;
  for (const id of ["position", "notice", "announcement"]) byId(id).textContent = "";
  answered = false;
  results.classList.remove("none");
  if (answers.length) show(0);
}

/** Make an answer the current one. */
function show(index, { focus = false } = {}) {
  current = index;
  list.show(answers[current], { focus });
  texts.show(answers[current]);
  byId("position").textContent = `${current + 1} of ${answers.length}`;
  byId("notice").textContent = "";
}

function choose({ id }) {
  show(answers.findIndex((answer) => answer.id === id));
}

/** Go to the next answer or, with a step of -1, to the previous one; behind the last comes the first. */
function move(step, { focus = false } = {}) {
  if (answers.length === 0) return;
  show((current + step + answers.length) % answers.length, { focus });
  const { name, source } = answers[current];
  // An answer that gets the focus is read anyway.
  if (!focus) byId("announcement").textContent = source.name === null ? name : `${name}, ${source.name}`;
}

function say(message) {
  summary.textContent = message;
}

function fail(message, { again = false } = {}) {
  failure.textContent = message;
  byId("retry").hidden = !again;
  if (message) say("");
}

async function copyText(text) {
  byId("notice").textContent = "";
  if (await copy(text)) byId("notice").textContent = "Copied";
  else fail("This browser does not allow the page to copy.");
}

function connect(id, action) {
  byId(id).addEventListener("click", action);
}

/** Connect a button that vanishes with its action, and gives the focus away before. */
function connectVanishing(id, action) {
  connect(id, () => {
    results.focus({ preventScroll: true });
    action();
  });
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
for (const id of ["top-k", "unlikely"]) byId(id).addEventListener("change", () => answered && ask());
connectVanishing("retry", ask);
connectVanishing("stop", () => {
  stop();
  say("Stopped.");
});
connect("previous", () => move(-1));
connect("next", () => move(1));
connect("copy-quote", () => copyText(quote(answers[current])));
connect("copy-json", () => copyText(JSON.stringify(charLocation(answers[current]), null, 2)));

texts.addEventListener("change", () => {
  const stale = answers.length > 0 || running !== null;
  stop();
  if (answers.length) showAnswers([]);
  fail("");
  if (stale) say("The texts have changed: ask again.");
});
texts.addEventListener("refuse", ({ detail }) => fail(detail));
texts.addEventListener("choose", ({ detail }) => choose(detail));
list.addEventListener("choose", ({ detail }) => {
  choose(detail);
  byId("text-pane").scrollIntoView({ block: "nearest" });
});

connectHelp();
connectDrop((files) => texts.addFiles(files));
connectKeys({
  ask,
  move,
  focusAnswers: () => answers.length && show(current, { focus: true }),
  stop: () => {
    if (running === null) return false;
    stop();
    say("Stopped.");
    return true;
  },
});
