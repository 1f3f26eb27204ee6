// Sorting of tables and galleries, filtering of galleries, enlarged images, and the light or dark theme.
(() => {
  const root = document.documentElement;
  const value = (text) => {
    const number = parseFloat(text.replace(/[,%\s]/g, ""));
    return /^[-+]?[\d.,\s]+(e[-+]?\d+)?\s*%?$/i.test(text.trim()) ? number : NaN;
  };
  const compare = (a, b, sign) => {
    const x = value(a), y = value(b);
    if (isNaN(x) && isNaN(y)) return sign * a.localeCompare(b);
    if (isNaN(x)) return 1;
    if (isNaN(y)) return -1;
    return sign * (x - y);
  };
  // The first click sorts numbers in descending and text in ascending order; the next one reverses the order.
  const next = (order, texts) => {
    if (order) return order === "descending" ? "ascending" : "descending";
    return texts.some((text) => !isNaN(value(text))) ? "descending" : "ascending";
  };
  const sorted = (items, text, order) =>
    [...items].sort((a, b) => compare(text(a), text(b), order === "descending" ? -1 : 1));
  document.querySelector("#theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  document.querySelectorAll("table.sortable").forEach((table) => {
    table.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => {
      const th = button.closest("th"), column = th.cellIndex, body = table.tBodies[0];
      const text = (row) => row.cells[column].dataset.value || row.cells[column].textContent;
      const order = next(th.getAttribute("aria-sort"), [...body.rows].map(text));
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      th.setAttribute("aria-sort", order);
      body.append(...sorted(body.rows, text, order));
    }));
  });
  document.querySelectorAll("[data-gallery]").forEach((block) => {
    const gallery = block.querySelector(".gallery");
    block.querySelectorAll("button[data-key]").forEach((button) => button.addEventListener("click", () => {
      const text = (figure) => String(JSON.parse(figure.dataset.keys)[button.dataset.key] ?? "");
      const order = next(button.dataset.order, [...gallery.children].map(text));
      button.dataset.order = order;
      block.querySelectorAll("button[data-key]").forEach((b) => b.setAttribute("aria-pressed", b === button));
      gallery.append(...sorted(gallery.children, text, order));
    }));
    block.querySelectorAll("select").forEach((select) => select.addEventListener("change", () => {
      gallery.querySelectorAll("figure").forEach((figure) => {
        figure.hidden = select.value !== "" && JSON.parse(figure.dataset.keys)[select.dataset.key] !== select.value;
      });
    }));
  });
  const dialog = document.querySelector("dialog");
  document.querySelectorAll(".gallery img").forEach((image) => image.addEventListener("click", () => {
    dialog.querySelector("img").src = image.src;
    dialog.querySelector("p").textContent = image.alt;
    dialog.showModal();
  }));
  dialog.addEventListener("click", () => dialog.close());
})();
