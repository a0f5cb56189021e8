// Changes are asked back here; without script the server asks.

export function askFirst() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches('form[action="/dashboard/actions"]') || form.elements.confirmed) return;
    event.preventDefault();
    const verb = form.querySelector("button").textContent;
    const dialog = document.createElement("dialog");
    const subject = document.createElement("h2");
    subject.id = "asked";
    subject.textContent = `${verb}: ${form.elements.label.value}`;
    const question = document.createElement("p");
    question.textContent = form.dataset.question;
    const yes = document.createElement("button");
    yes.className = "strong";
    yes.textContent = verb;
    const no = document.createElement("button");
    no.textContent = "Go back";
    const row = document.createElement("div");
    row.className = "actions";
    row.append(yes, no);
    dialog.append(subject, question, row);
    dialog.setAttribute("aria-labelledby", "asked");
    document.body.append(dialog);
    no.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    yes.addEventListener("click", () => {
      const confirmed = document.createElement("input");
      confirmed.type = "hidden";
      confirmed.name = "confirmed";
      confirmed.value = "yes";
      form.append(confirmed);
      // The part that holds the form may have been fetched anew meanwhile.
      if (!form.isConnected) { form.hidden = true; document.body.append(form); }
      dialog.close();
      form.submit();
    });
    dialog.showModal();
  });
}
