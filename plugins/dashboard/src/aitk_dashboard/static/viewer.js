// One picture in full; arrow keys go through the pictures of the same prompt.

function open(link) {
  const dialog = document.createElement("dialog");
  dialog.className = "viewer";
  dialog.setAttribute("aria-label", "Sample");
  const picture = document.createElement("img");
  const words = document.createElement("p");
  words.setAttribute("aria-live", "polite");
  const row = document.createElement("div");
  row.className = "actions";
  const buttons = ["Before", "Next", "Close"].map((name) => {
    const button = document.createElement("button");
    button.textContent = name;
    row.append(button);
    return button;
  });
  dialog.append(words, picture, row);
  let place = link.getAttribute("href");
  const show = (offset) => {
    // Looked up each time: further samples may have come.
    const all = [...document.querySelectorAll(`a[data-view="${CSS.escape(link.dataset.view)}"]`)];
    const now = all.findIndex((each) => each.getAttribute("href") === place);
    const shown = all[Math.min(Math.max(now + offset, 0), all.length - 1)] ?? link;
    place = shown.getAttribute("href");
    picture.src = place;
    picture.alt = shown.dataset.words;
    words.textContent = shown.dataset.words;
  };
  buttons[0].addEventListener("click", () => show(-1));
  buttons[1].addEventListener("click", () => show(1));
  buttons[2].addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(-1);
    if (event.key === "ArrowRight") show(1);
  });
  dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
  document.body.append(dialog);
  show(0);
  dialog.showModal();
}

export function viewPictures() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-view]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(link);
  });
}
