// Parts of a page that are fetched anew, and runs that are judged while somebody looks.

const connection = document.getElementById("connection");
const IDLE_MS = 15000;
const BUSY_MS = 200;

function say(text) {
  if (connection && connection.textContent !== text) connection.textContent = text;
}

export async function get(place) {
  const answer = await fetch(place, { credentials: "same-origin" });
  if (answer.status === 401) location.reload();
  return answer;
}

function keepUpToDate(part) {
  const every = Number(part.dataset.every);
  let shown = null;
  async function refresh() {
    if (!document.hidden) {
      try {
        const answer = await get(part.dataset.live);
        const text = await answer.text();
        if (!answer.ok) throw new Error(answer.statusText);
        say("");
        // What somebody types in, points at or has opened stays as it is.
        const active = part.contains(document.activeElement) && document.activeElement.matches("input, button, a, pre, summary");
        if (text !== shown && !active) {
          shown = text;
          put(part, text);
        }
      } catch {
        say("The server does not answer; this page is as it was.");
      }
    }
    if (every) setTimeout(refresh, every);
  }
  if (part.dataset.now) setTimeout(refresh, 0);
  else if (every) setTimeout(refresh, every);
}

function put(part, text) {
  const log = part.querySelector("pre[data-follow]");
  const atEnd = !log || log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  const opened = [...part.querySelectorAll("details")].map((each) => each.open);
  part.innerHTML = text;
  part.querySelectorAll("details").forEach((each, place) => { each.open = Boolean(opened[place]); });
  const now = part.querySelector("pre[data-follow]");
  if (now && atEnd) now.scrollTop = now.scrollHeight;
  part.dispatchEvent(new CustomEvent("renewed", { bubbles: true }));
}

async function judge(place) {
  let left = 0;
  if (!document.hidden) {
    try {
      const answer = await get(place);
      if (answer.ok) left = (await answer.json()).left;
    } catch { /* the parts of the page say so */ }
  }
  setTimeout(judge, left ? BUSY_MS : IDLE_MS, place);
}

// The check of a dataset is a page in ours; nothing runs in it, so its height is asked for here.
function stretch(frame) {
  const fit = () => {
    const inner = frame.contentDocument?.documentElement;
    if (inner && inner.scrollHeight > 0) frame.style.height = `${inner.scrollHeight + 8}px`;
  };
  frame.addEventListener("load", fit);
  addEventListener("resize", fit);
  // Looking at the pictures takes the processor from this page, which comes first.
  requestAnimationFrame(() => setTimeout(() => { frame.src = frame.dataset.src; }));
}

export function follow() {
  document.querySelectorAll("[data-live]").forEach(keepUpToDate);
  document.querySelectorAll("[data-judge]").forEach((each) => judge(each.dataset.judge));
  document.querySelectorAll("iframe[data-src]").forEach(stretch);
}
