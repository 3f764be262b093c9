// What the console adds where scripts run; every page works without it.
"use strict";
(() => {
  const THEMES = ["auto", "light", "dark"];
  const read = () => {
    try {
      const kept = localStorage.getItem("theme");
      return THEMES.includes(kept) ? kept : "auto";
    } catch {
      return "auto";
    }
  };
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    const name = document.querySelector("[data-theme-name]");
    if (name) name.textContent = theme;
  };
  show(read()); // before the page is drawn, so that it never flashes

  // A page that shows progress is fetched again and again until the work has ended.
  const follow = async () => {
    const part = document.querySelector("[data-follow]");
    if (!part) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("#progress");
      if (answer.redirected) location.reload(); // the session has ended
      if (answer.ok && next) document.querySelector("#progress").replaceChildren(...next.childNodes);
    } catch {
      // The next try may reach the server again.
    }
    setTimeout(follow, 1500);
  };

  // Rows of a form that can be added: a copy of the last one, emptied and renumbered.
  const addRow = (button) => {
    const rows = document.getElementById(button.dataset.addsTo);
    const row = rows.lastElementChild.cloneNode(true);
    for (const field of row.querySelectorAll("input, select")) {
      field.value = "";
      field.name = field.name.replace(/\d+$/, String(rows.children.length));
      if (field.id) field.id = `${field.id.replace(/-\d+$/, "")}-${rows.children.length}`;
      const label = field.closest("label") || row.querySelector(`label[for^="${field.id.replace(/\d+$/, "")}"]`);
      if (label && label.htmlFor) label.htmlFor = field.id;
    }
    rows.append(row);
    row.querySelector("input, select").focus();
  };

  // Imports the quarantined leads of a form, a piece at a time, and shows how far it is.
  const importAll = async (form) => {
    const result = new URL(form.action);
    const wanted = Object.fromEntries(new FormData(form));
    const sums = { stored: 0, waiting: 0, conflicts: 0 };
    const news = document.createElement("p");
    const bar = document.createElement("progress");
    const part = document.createElement("div");
    for (const old of document.querySelectorAll("main [role=status]")) old.remove();
    news.setAttribute("role", "status");
    news.textContent = "Importing…";
    bar.setAttribute("aria-label", "Leads imported");
    part.append(news, bar);
    form.replaceChildren(part);
    const show = (done, count) => {
      bar.max = count;
      bar.value = done;
      news.textContent = `Importing: ${done.toLocaleString("en")} of ${count.toLocaleString("en")} leads.`;
    };
    let cursor = wanted.cursor || null;
    delete wanted.cursor;
    let done = 0;
    try {
      do {
        const answer = await fetch(new URL("../quarantine/replay", result), {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(cursor ? { ...wanted, cursor } : wanted),
        });
        if (!answer.ok) throw new Error(String(answer.status));
        const piece = await answer.json();
        sums.stored += piece.created + piece.updated + piece.unchanged + piece.voided;
        sums.waiting += piece.quarantined + piece.invalid;
        sums.conflicts += piece.conflict;
        cursor = piece.next_cursor;
        done = sums.stored + sums.waiting + sums.conflicts;
        show(done, done + piece.remaining);
      } while (cursor);
    } catch {
      // What was imported stays; the page offers the rest.
      if (!done) {
        news.textContent = "The leads could not be imported. Load the page again to try once more.";
        return;
      }
      for (const [name, value] of Object.entries(wanted)) result.searchParams.set(name, value);
      result.searchParams.set("rest", cursor);
    }
    for (const [name, value] of Object.entries(sums)) result.searchParams.set(name, value);
    location.assign(result);
  };

  // Shows what a dry run says below its form, which so keeps its file.
  const tryFile = async (event) => {
    if (!event.submitter || event.submitter.value !== "dry") return;
    event.preventDefault();
    const form = event.target;
    const outcome = document.querySelector("#outcome");
    const said = (words) => {
      const news = document.createElement("p");
      news.setAttribute("role", "status");
      news.textContent = words;
      outcome.replaceChildren(news);
    };
    const body = new FormData(form);
    body.set("do", "dry");
    said("Reading the file…");
    try {
      const answer = await fetch(form.action, { method: "POST", headers: { Accept: "text/html" }, body });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("#outcome") || page.querySelector("main");
      outcome.replaceChildren(...next.childNodes);
    } catch {
      said("The file could not be sent. Choose it again, and try once more.");
    }
  };

  // "/" leads to the search box; the arrows go through what it found.
  const findByKeys = (event) => {
    const box = document.querySelector("[data-search]");
    if (!box || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "/" && !event.target.closest("input, select, textarea")) {
      event.preventDefault();
      box.select();
      box.focus();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const results = [...document.querySelectorAll("[data-results] li > a:first-child")];
    const place = results.indexOf(document.activeElement);
    if (!step || !results.length || (place < 0 && document.activeElement !== box)) return;
    event.preventDefault();
    (results[place + step] || (place + step < 0 ? box : results[place])).focus();
  };

  // Sends a file that is too large for a form to an address of its own, and shows how far it is.
  const upload = async (event) => {
    const form = event.target;
    const file = form.querySelector("input[type=file]").files[0];
    const wanted = event.submitter && event.submitter.value;
    if (!file || file.size <= Number(form.dataset.limit) || !["dry", "import"].includes(wanted)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const news = document.createElement("p");
    news.setAttribute("role", "status");
    document.querySelector("#outcome").replaceChildren(news);
    if (wanted === "dry" || !form.dataset.uploadLimit) {
      news.textContent = "A dry run takes files of up to 6 MB: try it with the first rows of this one.";
      if (wanted !== "dry") news.textContent = "This server takes files of up to 6 MB here: use make import.";
      return;
    }
    const body = new FormData(form);
    body.delete("file");
    body.set("do", "address");
    body.set("file_name", file.name);
    body.set("file_bytes", String(file.size));
    news.textContent = "Asking for an address…";
    try {
      const answer = await fetch(form.action, { method: "POST", headers: { Accept: "application/json" }, body });
      const begun = await answer.json();
      if (!answer.ok) {
        const fields = (begun.errors || []).map((error) => `${error.pointer}: ${error.detail}`);
        news.textContent = [begun.detail, ...fields].join("; ");
        return;
      }
      await send(file, begun.upload, new URL("../", form.action), news);
      location.assign(`${form.action}?id=${begun.import_id}`);
    } catch {
      news.textContent = "The file could not be sent. Choose it again, and try once more.";
    }
  };

  // Only this older way of sending says how much of a file has gone.
  const send = (file, { method, address, headers }, root, news) =>
    new Promise((done, failed) => {
      const bar = document.createElement("progress");
      bar.setAttribute("aria-label", "Sent");
      bar.max = file.size;
      bar.value = 0;
      news.textContent = `Sending ${file.name}. Stay on this page until it has arrived.`;
      news.after(bar);
      const request = new XMLHttpRequest();
      request.upload.onprogress = ({ loaded }) => (bar.value = loaded);
      request.onload = () => (request.status < 300 ? done() : failed());
      request.onerror = request.onabort = failed;
      request.open(method, new URL(address, root));
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.send(file);
    });

  document.addEventListener("DOMContentLoaded", () => {
    document.addEventListener("keydown", findByKeys);
    for (const form of document.querySelectorAll("[data-limit]")) form.addEventListener("submit", upload);
    for (const form of document.querySelectorAll("[data-tries]")) form.addEventListener("submit", tryFile);
    for (const form of document.querySelectorAll("[data-imports]")) {
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        importAll(form);
      });
    }
    const button = document.querySelector("[data-theme-button]");
    if (button) {
      button.hidden = false;
      button.addEventListener("click", () => {
        const next = THEMES[(THEMES.indexOf(read()) + 1) % THEMES.length];
        try {
          localStorage.setItem("theme", next);
        } catch {
          // Kept for this page only.
        }
        show(next);
      });
      show(read());
    }
    for (const each of document.querySelectorAll("[data-copies]")) {
      each.hidden = !navigator.clipboard;
      each.addEventListener("click", async () => {
        await navigator.clipboard.writeText(document.getElementById(each.dataset.copies).textContent);
        each.textContent = "Copied";
      });
    }
    for (const each of document.querySelectorAll("[data-adds-to]")) {
      each.hidden = false;
      each.addEventListener("click", () => addRow(each));
    }
    // On a phone the menu is a row that scrolls: scroll to the current page.
    const here = document.querySelector('.menu [aria-current="page"]');
    const row = here && here.closest("ul");
    if (row) row.scrollLeft = here.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
    setTimeout(follow, 1500);
  });
})();
