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

  // A page that is about something under way is fetched anew until it says that it ended.
  const follow = async () => {
    const part = document.querySelector("[data-follow]");
    if (!part) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("#progress");
      if (answer.redirected) location.reload(); // signed out meanwhile
      if (answer.ok && next) document.querySelector("#progress").replaceChildren(...next.childNodes);
    } catch {
      // The next try may reach the server again.
    }
    setTimeout(follow, 1500);
  };

  // Rows of a form that can be added: a copy of the last one, emptied and numbered anew.
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

  document.addEventListener("DOMContentLoaded", () => {
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
    for (const each of document.querySelectorAll("[data-adds-to]")) {
      each.hidden = false;
      each.addEventListener("click", () => addRow(each));
    }
    // On a phone the menu is a row that scrolls: the page one is on is to be seen in it.
    const here = document.querySelector('.menu [aria-current="page"]');
    const row = here && here.closest("ul");
    if (row) row.scrollLeft = here.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
    setTimeout(follow, 1500);
  });
})();
