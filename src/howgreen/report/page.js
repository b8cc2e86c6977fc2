// The page around the map: tables that sort, texts that copy, the print button.
(() => {
  document.documentElement.classList.add("scripted");
  const compare = new Intl.Collator(document.documentElement.lang, { numeric: true }).compare;
  for (const button of document.querySelectorAll(".districts th button")) {
    button.addEventListener("click", () => {
      const head = button.parentElement;
      const column = [...head.parentElement.children].indexOf(head);
      const text = column === 0;
      const down = head.ariaSort === "descending" || (head.ariaSort === "none" && text) ? 1 : -1;
      const value = (row) => row.children[column].dataset.value;
      const body = button.closest("table").querySelector("tbody");
      const order = (a, b) => down * (text ? compare(value(a), value(b)) : value(a) - value(b));
      body.append(...[...body.children].sort(order));
      for (const other of head.parentElement.children) if (other.ariaSort) other.ariaSort = "none";
      head.ariaSort = down > 0 ? "ascending" : "descending";
    });
  }

  // Browsers give the clipboard to files on the disk in different ways: by the old one where the new one is refused.
  const select = (item) => {
    const range = document.createRange();
    range.selectNodeContents(item);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const item = document.getElementById(button.dataset.copy);
      let done = false;
      try {
        await navigator.clipboard.writeText(item.innerText);
        done = true;
      } catch {
        select(item);
        done = document.execCommand("copy");
      }
      button.classList.toggle("done", done);
      setTimeout(() => button.classList.remove("done"), 2000);
    });
  }
  for (const button of document.querySelectorAll(".print")) button.addEventListener("click", () => print());

  // What is folded away on the screen is printed.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const item of folded) item.open = true;
  });
  addEventListener("afterprint", () => {
    for (const item of folded) item.open = false;
  });
})();
