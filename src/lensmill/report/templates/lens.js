// Previous and next lens, in the order of the survey's table; order.js is written with it.
"use strict";
{
  const order = window.lensmillOrder ?? [];
  const here = order.indexOf(document.body.dataset.file);
  const links = { ArrowLeft: ["previous", here - 1], ArrowRight: ["next", here + 1] };
  for (const [id, place] of Object.values(links)) {
    if (here < 0 || !order[place]) continue;
    const link = document.getElementById(id);
    link.href = encodeURIComponent(order[place]) + ".html";
    link.hidden = false;
  }
  addEventListener("keydown", (event) => {
    const link = event.key in links && document.getElementById(links[event.key][0]);
    if (
      link &&
      !link.hidden &&
      !event.altKey &&
      !event.ctrlKey &&
      !event.metaKey &&
      !event.shiftKey &&
      event.target === document.body
    )
      link.click();
  });
}
