// A little help while a form is filled in; everything works without it.
"use strict";

(() => {
  const form = document.querySelector("form.entry");
  const errors = document.getElementById("errors");
  if (errors) errors.focus();

  // One press of a button sends one form.
  for (const each of document.querySelectorAll("form[method=post]")) {
    each.addEventListener("submit", (event) => {
      if (each.dataset.sent) event.preventDefault();
      each.dataset.sent = "yes";
      // Whoever stops the browser from loading can send it again.
      setTimeout(() => { delete each.dataset.sent; }, 15000);
    });
  }
  // Coming back by the browser's own button, the form can be sent again.
  addEventListener("pageshow", () => {
    for (const each of document.querySelectorAll("form[data-sent]")) delete each.dataset.sent;
  });

  // A file that is too large is told before it has travelled.
  const file = document.querySelector("input[type=file][data-bytes-max]");
  if (file) file.addEventListener("change", () => {
    const large = [...file.files].some((one) => one.size > Number(file.dataset.bytesMax) - 4096);
    file.setCustomValidity(large ? file.dataset.tooLarge : "");
    file.reportValidity();
  });
  if (!form) return;

  // A number that is typed is meant.
  const number = form.querySelector("input[name=CaseNo]");
  const own = form.querySelector("input[name=numbering][value=own]");
  if (number && own) number.addEventListener("input", () => { if (number.value) own.checked = true; });

  // Whoever leaves with something typed is asked.
  let touched = false;
  form.addEventListener("input", () => { touched = true; });
  addEventListener("beforeunload", (event) => {
    if (touched && !form.dataset.sent) event.preventDefault();
  });
})();
