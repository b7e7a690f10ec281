// Requests to the server of this page, with the token of its address.

const STORED = "seq2seq-token";
const BUSY = [429, 503]; // statuses of a server that has too many requests
const PAUSE = 1000; // milliseconds before a refused request is sent again

/** Store the token of the address, if it has one, and return whether it has.
 *
 * It is taken out of the address, so that a copied address does not have it.
 */
function takeToken() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get("token");
  if (given === null) return false;
  localStorage.setItem(STORED, given);
  fragment.delete("token");
  history.replaceState(null, "", `#${fragment}`);
  return true;
}

takeToken();
// Read once: a page that stays open must not use the token of a later program, because a request
// has only the number of a run, and that program may have other runs.
const TOKEN = localStorage.getItem(STORED) ?? "";

/** An error whose message is a sentence for the page. */
class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Send a request and return the answer; null if it was aborted by a newer one.
 *
 * It is sent a second time if the server has too many requests.
 */
async function ask(action, fields, signal) {
  try {
    return await askOnce(action, fields, signal);
  } catch (problem) {
    if (!BUSY.includes(problem.status)) throw problem;
  }
  await new Promise((resolve) => setTimeout(resolve, PAUSE));
  return signal?.aborted ? null : askOnce(action, fields, signal);
}

async function askOnce(action, fields, signal) {
  let response;
  try {
    response = await fetch(`/api/${action}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-seq2seq-token": TOKEN,
      },
      body: JSON.stringify(fields),
      signal,
    });
    const answer = await response.json();
    if (response.ok) return answer;
    throw new Problem(answer.error ?? "The server has refused the request.", response.status);
  } catch (error) {
    if (signal?.aborted) return null;
    if (error instanceof Problem) throw error;
    throw new Problem(
      response
        ? `The server has answered with status ${response.status}.`
        : "The server does not answer: is seq2seq play still running?",
      response?.status,
    );
  }
}

/** Return a message with a full stop, unless it has punctuation at its end. */
const ended = (message) => (!message || /[.!?…]$/.test(message) ? message : `${message}.`);

/** Show an error in one sentence; an empty one hides it. */
function showError(sentence) {
  $("#error").textContent = sentence && ended(sentence[0].toUpperCase() + sentence.slice(1));
  $("#error").hidden = !sentence;
}

const say = (sentence) => {
  $("#status").textContent = sentence;
};
