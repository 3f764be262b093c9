// Requests a long statement, shows the progress, then offers the PDF. Without scripts the link of
// the page leads to the PDF.
"use strict";
(() => {
  const part = document.querySelector("[data-making]");
  const news = part.querySelector("[data-news]");
  const bar = part.querySelector("progress");
  const offer = part.querySelector("[data-offer]");
  const latin = new TextDecoder("latin1");

  const show = (row) => {
    const [drawn, count] = row.split(" of ").map(Number);
    bar.max = count;
    bar.value = drawn;
    news.textContent = `Being made: ${drawn.toLocaleString("en")} of ${count.toLocaleString("en")} lines.`;
  };

  // Rows of text up to an empty one, then the PDF.
  const read = async (reader) => {
    const pdf = [];
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return pdf;
      if (pdf.length) {
        pdf.push(value);
        continue;
      }
      text += latin.decode(value);
      const end = text.indexOf("\n\n");
      const rows = (end < 0 ? text : text.slice(0, end + 1)).split("\n");
      if (rows.length > 1) show(rows[rows.length - 2]);
      if (end >= 0) pdf.push(value.slice(value.length - (text.length - end - 2)));
      else text = text.slice(text.lastIndexOf("\n", text.length - 2) + 1);
    }
  };

  const make = async () => {
    bar.hidden = false;
    offer.hidden = true;
    news.textContent = "Preparing statement: reading actions…";
    try {
      const answer = await fetch(part.dataset.making);
      if (!answer.ok) throw new Error(String(answer.status));
      const pdf = new Blob(await read(answer.body.getReader()), { type: "application/pdf" });
      if (!(await pdf.slice(-16).text()).includes("%%EOF")) throw new Error("cut short");
      offer.href = URL.createObjectURL(pdf);
      offer.download = part.dataset.name;
      news.textContent = `It is ready: ${Math.ceil(pdf.size / 1024).toLocaleString("en")} kB.`;
    } catch {
      news.textContent = "The statement could not be prepared here. Use the link below: a very large one is made as an export.";
    }
    bar.hidden = true;
    offer.hidden = false;
  };

  make();
})();
