// Requests to the server, and its refusals in words.

const TOKEN_KEY = "spanjet-token";

let token = storedToken();

/** Error that the server, or its absence, answers with; the message is for the user. */
export class RequestError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Search texts for answers to a question.
 *
 * @param {{question: string, passages: {name: ?string, text: string}[], topK: number, unlikely: boolean}} request
 *   `unlikely`: give answers below the model's threshold as well
 * @param {AbortSignal} signal
 * @returns {Promise<{answers: object[], no_answer: number}>} body of the response
 * @throws {RequestError} if there is no answer; an AbortError if the signal stopped it
 */
export async function search({ question, passages, topK, unlikely }, signal) {
  const body = {
    question,
    passages: passages.map(({ name, text }) => (name === null ? text : { id: name, text })),
    top_k: topK,
    threshold: unlikely ? null : "model",
  };
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch("v1/search", { method: "POST", headers, body: JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError("The server cannot be reached. Is spanjet serve running?", 0);
  }
  const content = await json(response);
  if (!response.ok) throw new RequestError(reason(response, content, passages), response.status);
  if (!Array.isArray(content?.answers)) throw new RequestError("The server's response has no answers.", response.status);
  return content;
}

/** Send a bearer token with the following requests, and keep it for this tab. */
export function setToken(value) {
  token = value;
  try {
    sessionStorage.setItem(TOKEN_KEY, value);
  } catch {
    // Storage is switched off: the token is kept by this page alone.
  }
}

function storedToken() {
  try {
    return sessionStorage.getItem(TOKEN_KEY);
  } catch {
    return null;
  }
}

async function json(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return null;
  }
}

function reason(response, content, passages) {
  const said = withNames(`${content?.error ?? ""}`, passages);
  const wait = Number(response.headers.get("Retry-After"));
  switch (response.status) {
    case 401:
      return token ? "The server does not accept this token." : "The server asks for a token.";
    case 408:
    case 504:
      return `The server did not answer in time. ${said}`;
    case 413:
      return `That is more than the server accepts. ${said}`;
    case 422:
      return said || "The server does not understand this request.";
    case 429: {
      const time = wait > 0 ? `in ${wait} ${wait === 1 ? "second" : "seconds"}` : "in a moment";
      return `The server is busy. Try again ${time}.`;
    }
    case 503:
      return `The server is starting or stopping. ${said}`;
    default:
      return `The server failed (${response.status}). ${said}`;
  }
}

/** Replace the indices of passages by the names of their files. */
function withNames(message, passages) {
  return message.replace(/passages(?:\[(\d+)\]|\.(\d+)(?:\.\w+)*)/g, (found, item, field) => {
    const passage = passages[item ?? field];
    return passage ? (passage.name ?? "the pasted text") : found;
  });
}
