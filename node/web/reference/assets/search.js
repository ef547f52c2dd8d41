// Finds elements, types and codes in the index that every page loads; works from a disk, where nothing can be fetched.
// An entry is [words, what it is, address below the language's folder].
"use strict";

(() => {
  const SHOWN_MAX = 40;
  const box = document.getElementById("search");
  const list = document.getElementById("found");
  const status = document.getElementById("found-status");
  const { root } = document.body.dataset;
  const index = window.yizhanIndex || [];

  function rank(entry, wanted) {
    const words = entry[0].toLowerCase();
    if (words === wanted || words.startsWith(`${wanted} `)) return 0;
    if (words.startsWith(wanted)) return 1;
    return words.includes(wanted) ? 2 : 3;
  }

  function find(wanted) {
    const ranked = [[], [], []];
    for (const entry of index) {
      const place = rank(entry, wanted);
      if (place < ranked.length) ranked[place].push(entry);
    }
    return ranked.flat();
  }

  function shown(entry) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    const kind = document.createElement("small");
    link.href = root + entry[2];
    link.textContent = entry[0];
    kind.textContent = entry[1];
    link.append(kind);
    item.append(link);
    return item;
  }

  function search() {
    const wanted = box.value.trim().toLowerCase();
    const found = wanted ? find(wanted) : [];
    list.replaceChildren(...found.slice(0, SHOWN_MAX).map(shown));
    list.hidden = found.length === 0;
    status.textContent = wanted ? (found.length ? `${found.length} ${status.dataset.count}` : status.dataset.none) : "";
  }

  box.addEventListener("input", search);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && list.firstElementChild) list.querySelector("a").click();
    if (event.key === "Escape") {
      box.value = "";
      search();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      box.focus();
    }
  });
  document.querySelector(".search").hidden = false;
})();
