// Small plots on a canvas: histograms and scatter plots of the lenses that pass the filter.
const HEIGHT = 230,
  MARGIN = { left: 46, right: 10, top: 20, bottom: 34 },
  RADIUS = 6;
const paint = (name) =>
  getComputedStyle(document.documentElement)
    .getPropertyValue("--" + name)
    .trim();
const finite = (value) => value !== null && value !== undefined;

function niceStep(span, count) {
  const raw = span / count,
    power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= raw);
}

function linearTicks(low, high, count, least = 0) {
  const step = Math.max(least, niceStep(high - low, count)),
    ticks = [];
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++)
    ticks.push([k * step, (k * step).toFixed(decimals).replace("-", "−")]);
  return ticks;
}

function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const step of high / low > 30 ? [1] : [1, 2, 5])
      if (step * 10 ** power >= low * 0.999 && step * 10 ** power <= high * 1.001)
        ticks.push([step * 10 ** power, String(Number((step * 10 ** power).toPrecision(2)))]);
  return ticks;
}

function padded(values, log) {
  let low = Math.min(...values),
    high = Math.max(...values);
  if (log) return [low / 1.3, high * 1.3];
  const margin = 0.05 * (high - low) || Math.abs(high) * 0.05 || 1;
  return [low - margin, high + margin];
}

function quantile(sorted, share) {
  const at = share * (sorted.length - 1),
    below = Math.floor(at);
  return sorted[below] + (at - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
}

class Plot {
  // A choice is { label, names, value }: a list beside the title; `picked` tells what the lists say, `told` hears of changes.
  constructor(host, title, draw, choices = [], told = () => {}) {
    this.card = document.createElement("section");
    this.card.className = "card plot";
    const head = this.card.appendChild(document.createElement("header"));
    head.appendChild(document.createElement("h3")).textContent = title;
    const lists = head.appendChild(document.createElement("span"));
    this.lists = choices
      .filter(({ names }) => names.length)
      .map(({ label, names, value }) => {
        const list = lists.appendChild(document.createElement("select"));
        list.setAttribute("aria-label", `${title}: ${label}`);
        for (const name of names) list.add(new Option(name, name));
        list.value = names.includes(value) ? value : names[0];
        list.addEventListener("change", () => {
          this.show(this.rows);
          told(this.picked);
        });
        return list;
      });
    this.canvas = this.card.appendChild(document.createElement("canvas"));
    this.canvas.setAttribute("role", "img");
    this.note = this.card.appendChild(document.createElement("p"));
    this.note.className = "small soft";
    this.tip = this.card.appendChild(document.createElement("div"));
    this.tip.className = "tip";
    this.tip.hidden = true;
    Object.assign(this, { title, draw, rows: [] });
    this.listenToDrags();
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => {
      this.tip.hidden = true;
    });
    this.canvas.addEventListener("click", (event) => {
      if (this.dragged) {
        this.dragged = false;
        return;
      }
      this.point(event);
      this.found?.go?.();
    });
    host.append(this.card);
  }

  get picked() {
    return this.lists.map((list) => list.value);
  }

  pick(values) {
    this.lists.forEach((list, i) => {
      if ([...list.options].some(({ value }) => value === values[i])) list.value = values[i];
    });
  }

  // A box drawn on a plot that has a `select` gives it the ranges of both axes.
  listenToDrags() {
    let from = null;
    const place = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      from = this.select ? place(event) : null;
    });
    addEventListener("pointerup", (event) => {
      const begun = from;
      from = null;
      if (!begun || !this.select) return;
      const ended = place(event);
      if (Math.abs(ended[0] - begun[0]) < RADIUS || Math.abs(ended[1] - begun[1]) < RADIUS) return;
      this.dragged = true;
      const [left, top, right, bottom] = this.box,
        [xs, ys] = this.ranges;
      const across = (at) => xs[0] + ((Math.min(right, Math.max(left, at)) - left) / (right - left)) * (xs[1] - xs[0]);
      const up = (at) => ys[0] + ((bottom - Math.min(bottom, Math.max(top, at))) / (bottom - top)) * (ys[1] - ys[0]);
      this.select(
        [across(begun[0]), across(ended[0])].sort((a, b) => a - b),
        [up(begun[1]), up(ended[1])].sort((a, b) => a - b),
      );
    });
  }

  show(rows) {
    this.rows = rows;
    this.targets = [];
    this.found = this.select = null;
    this.tip.hidden = true;
    const ratio = devicePixelRatio || 1,
      width = this.canvas.clientWidth;
    this.width = width;
    this.canvas.width = width * ratio;
    this.canvas.height = HEIGHT * ratio;
    this.pen = this.canvas.getContext("2d");
    this.pen.scale(ratio, ratio);
    this.pen.font = "11px system-ui, sans-serif";
    const said = this.draw(this, rows) ?? this.empty();
    this.note.textContent = said;
    this.canvas.setAttribute("aria-label", `${this.title}. ${said}`);
  }

  empty() {
    this.pen.fillStyle = paint("soft");
    this.pen.textAlign = "center";
    this.pen.fillText("no lens to show", this.width / 2, HEIGHT / 2);
    return "";
  }

  frame(xRange, yRange, { xLabel = "", yLabel = "", xLog = false, yLog = false, whole = false } = {}) {
    const { pen } = this,
      { left: start, right, top, bottom } = MARGIN;
    const place = (range, log, from, to) => {
      const map = log ? Math.log : (v) => v,
        [low, high] = range.map(map);
      return (value) => from + ((map(value) - low) / (high - low)) * (to - from);
    };
    this.ranges = [xRange, yRange];
    this.box = [start, top, this.width - right, HEIGHT - bottom];
    this.x = place(xRange, xLog, start, this.width - right);
    this.y = place(yRange, yLog, HEIGHT - bottom, top);
    pen.strokeStyle = paint("line");
    pen.fillStyle = paint("soft");
    pen.lineWidth = 1;
    pen.beginPath();
    pen.textAlign = "center";
    for (const [value, text] of xLog ? logTicks(...xRange) : linearTicks(...xRange, Math.max(3, this.width / 75))) {
      pen.moveTo(this.x(value), HEIGHT - bottom);
      pen.lineTo(this.x(value), HEIGHT - bottom + 4);
      pen.fillText(text, this.x(value), HEIGHT - bottom + 15);
    }
    pen.textAlign = "right";
    for (const [value, text] of yLog ? logTicks(...yRange) : linearTicks(...yRange, 5, whole ? 1 : 0)) {
      pen.moveTo(start, this.y(value));
      pen.lineTo(this.width - right, this.y(value));
      pen.fillText(text, start - 5, this.y(value) + 4);
    }
    pen.moveTo(start, HEIGHT - bottom);
    pen.lineTo(this.width - right, HEIGHT - bottom);
    pen.stroke();
    pen.textAlign = "right";
    pen.fillText(xLabel, this.width - right, HEIGHT - 4);
    pen.textAlign = "left";
    pen.fillText(yLabel, 2, 11);
  }

  guide(value, along) {
    const { pen, box } = this,
      at = along === "x" ? this.x(value) : this.y(value);
    if (along === "x" ? at < box[0] || at > box[2] : at < box[1] || at > box[3]) return;
    pen.save();
    pen.strokeStyle = paint("ink");
    pen.setLineDash([4, 4]);
    pen.globalAlpha = 0.6;
    pen.beginPath();
    if (along === "x") {
      pen.moveTo(at, box[1]);
      pen.lineTo(at, box[3]);
    } else {
      pen.moveTo(box[0], at);
      pen.lineTo(box[2], at);
    }
    pen.stroke();
    pen.restore();
  }

  dot(x, y, kind, target) {
    const { pen, box } = this,
      at = this.x(x),
      level = this.y(y);
    if (at < box[0] || at > box[2] || level < box[1] || level > box[3]) return;
    pen.globalAlpha = this.small ? 0.6 : 1;
    pen.fillStyle = pen.strokeStyle = paint.cache[kind];
    pen.beginPath();
    pen.arc(at, level, this.small ? 1.6 : 3, 0, 7);
    if (kind === "certified") pen.fill();
    else pen.stroke();
    pen.globalAlpha = 1;
    this.targets.push({ x: at, y: level, ...target });
  }

  bars(stacks, edges, target) {
    const { pen } = this;
    stacks.forEach((stack, bin) => {
      let base = 0;
      const left = this.x(edges[bin]),
        right = this.x(edges[bin + 1]);
      for (const [kind, count] of stack) {
        pen.fillStyle = paint.cache[kind];
        pen.globalAlpha = 0.75;
        pen.fillRect(
          left + 0.5,
          this.y(base + count),
          Math.max(1, right - left - 1),
          this.y(base) - this.y(base + count),
        );
        base += count;
      }
      pen.globalAlpha = 1;
      if (base) this.targets.push({ left, right, ...target(bin, base) });
    });
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect(),
      x = event.clientX - box.left,
      y = event.clientY - box.top;
    let best = RADIUS ** 2 * 4;
    this.found = null;
    for (const target of this.targets) {
      const far =
        "left" in target
          ? x >= target.left && x < target.right
            ? 0
            : Infinity
          : (target.x - x) ** 2 + (target.y - y) ** 2;
      if (far < best) {
        best = far;
        this.found = target;
      }
    }
    this.canvas.style.cursor = this.found ? "pointer" : "";
    this.tip.hidden = !this.found;
    if (!this.found) return;
    this.tip.textContent = this.found.text;
    const left = this.canvas.offsetLeft + x;
    this.tip.style.left = `${Math.max(4, Math.min(left + 10, this.card.clientWidth - this.tip.offsetWidth - 4))}px`;
    this.tip.style.top = `${this.canvas.offsetTop + y - 28}px`;
  }
}
