// Requests to the server of this page, with the token of its address.

const STORED = "seq2seq-token";

/** Take the token out of the address, so that a copied address does not have it. */
function takeToken() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return;
  localStorage.setItem(STORED, token);
  fragment.delete("token");
  history.replaceState(null, "", `#${fragment}`);
}

/** An error whose message is a sentence for the page. */
class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Send a request and return the answer; null if it was aborted by a newer one. */
async function ask(action, fields, signal) {
  let response;
  try {
    response = await fetch(`/api/${action}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-seq2seq-token": localStorage.getItem(STORED) ?? "",
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
    );
  }
}

/** Show an error in one sentence; an empty one hides it. */
function showError(sentence) {
  const text = sentence && sentence[0].toUpperCase() + sentence.slice(1);
  $("#error").textContent = text && !/[.!?]$/.test(text) ? `${text}.` : text;
  $("#error").hidden = !text;
}

const say = (sentence) => {
  $("#status").textContent = sentence;
};
