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
        if (text !== shown && !isUsed(part)) {
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

// What somebody types in, scrolls by keys or has marked stays as it is.
function isUsed(part) {
  const marked = getSelection();
  if (marked && !marked.isCollapsed && part.contains(marked.anchorNode)) return true;
  return part.contains(document.activeElement) && document.activeElement.matches("input, pre");
}

function keyOf(element) {
  const values = element.form ? String(new URLSearchParams(new FormData(element.form))) : "";
  return [element.tagName, element.href ?? "", values, element.textContent].join(" ");
}

function put(part, text) {
  const focused = part.contains(document.activeElement) ? keyOf(document.activeElement) : null;
  const log = part.querySelector("pre[data-follow]");
  const atEnd = !log || log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  const opened = [...part.querySelectorAll("details")].map((each) => each.open);
  part.innerHTML = text;
  part.querySelectorAll("details").forEach((each, place) => { each.open = Boolean(opened[place]); });
  const now = part.querySelector("pre[data-follow]");
  if (now && atEnd) now.scrollTop = now.scrollHeight;
  // Keys lead on from where they were.
  if (focused !== null) {
    [...part.querySelectorAll("a, button, summary")].find((each) => keyOf(each) === focused)?.focus({ preventScroll: true });
  }
  // The name of a run may have come after its page.
  const heading = part.querySelector("h1");
  if (heading) document.title = `${heading.textContent} \u00b7 AI ToolKit MCP`;
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
