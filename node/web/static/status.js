// Keeps the status page fresh in place: what changed is taken over, so that scroll position, selection and focus stay.
// Without scripts the page reloads by itself (the noscript element in its head). Nothing is done while nobody looks.
"use strict";

(() => {
  const seconds = Number(document.body.dataset.refresh);
  const lost = document.getElementById("lost");
  const parts = ["title", "#main", "footer"];
  if (!seconds) return;

  function take(old, fresh) {
    if (old.nodeName !== fresh.nodeName) {
      old.replaceWith(fresh);
    } else if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
    } else if (old.nodeType === Node.ELEMENT_NODE) {
      takeAttributes(old, fresh);
      const before = [...old.childNodes];
      const after = [...fresh.childNodes];
      after.forEach((child, index) => (before[index] ? take(before[index], child) : old.append(child)));
      before.slice(after.length).forEach((child) => child.remove());
    }
  }

  function takeAttributes(old, fresh) {
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }

  async function refresh() {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" } });
        if (!answer.ok) throw new Error(String(answer.status));
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of parts) take(document.querySelector(part), fresh.querySelector(part));
        lost.hidden = true;
      } catch {
        lost.hidden = false;
      }
    }
    setTimeout(refresh, seconds * 1000);
  }

  setTimeout(refresh, seconds * 1000);
})();
