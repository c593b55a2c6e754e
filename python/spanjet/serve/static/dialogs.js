// The two dialogs: help, and the token of a server that asks for one.

import { setToken } from "./client.js";

/** Open the help by its button. */
export function connectHelp() {
  const help = document.getElementById("help");
  document.getElementById("open-help").addEventListener("click", () => help.showModal());
  help.querySelector(".close").addEventListener("click", () => help.close());
}

/**
 * Ask for the server's token and keep it for this tab.
 *
 * @param {string} reason for asking
 * @returns {Promise<boolean>} false if the dialog was cancelled
 */
export function askForToken(reason) {
  const dialog = document.getElementById("sign-in");
  const input = document.getElementById("token");
  document.getElementById("sign-in-failure").textContent = reason;
  input.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const settled = new AbortController();
    const { signal } = settled;
    const settle = (given) => {
      settled.abort();
      if (given) setToken(input.value);
      input.value = "";
      dialog.close();
      resolve(given);
    };
    dialog.querySelector("form").addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        settle(true);
      },
      { signal },
    );
    dialog.querySelector(".close").addEventListener("click", () => settle(false), { signal });
    dialog.addEventListener("cancel", () => settle(false), { signal });
  });
}
