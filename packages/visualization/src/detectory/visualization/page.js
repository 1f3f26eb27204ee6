// Tables sort by a click on a column's name, galleries by a click on a key; pictures open large; the theme can be switched.
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
  document.querySelector("#theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  document.querySelectorAll("table.sortable").forEach((table) => {
    table.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => {
      const th = button.closest("th"), column = th.cellIndex, body = table.tBodies[0];
      const descending = th.getAttribute("aria-sort") !== "descending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      th.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const text = (row) => row.cells[column].dataset.value || row.cells[column].textContent;
      body.append(...[...body.rows].sort((a, b) => compare(text(a), text(b), descending ? -1 : 1)));
    }));
  });
  document.querySelectorAll("[data-gallery]").forEach((block) => {
    const gallery = block.querySelector(".gallery");
    block.querySelectorAll("button[data-key]").forEach((button) => button.addEventListener("click", () => {
      const descending = button.dataset.order !== "descending", key = button.dataset.key;
      button.dataset.order = descending ? "descending" : "ascending";
      block.querySelectorAll("button[data-key]").forEach((b) => b.setAttribute("aria-pressed", b === button));
      const text = (figure) => JSON.parse(figure.dataset.keys)[key] ?? "";
      gallery.append(...[...gallery.children].sort((a, b) => compare(String(text(a)), String(text(b)), descending ? -1 : 1)));
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
