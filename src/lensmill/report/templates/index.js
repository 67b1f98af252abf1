// The table of lenses, its filters and plots; the data stand in the page, column by column.
const data = JSON.parse(document.getElementById("data").textContent);
const N = data.lens_id.length,
  ALL = Array.from({ length: N }, (_, i) => i);
const PAGE = 50,
  NARROW = matchMedia("(max-width: 700px)"),
  numbers = data.numbers,
  limits = data.thresholds;
const columns = new Map(data.columns.map((column) => [column.name, column]));
const searched = ALL.map((i) => `${data.lens_id[i]} ${data.stages[data.stage[i]]} ${data.reason[i]}`.toLowerCase());
const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    key === "text"
      ? (made.textContent = value)
      : key === "html"
        ? (made.innerHTML = value)
        : made.setAttribute(key, value);
  made.append(...children);
  return made;
};
const at = (id) => document.getElementById(id);
const kindOf = (i) => data.statuses[data.status[i]].kind;
const address = (i) => `lenses/${encodeURIComponent(data.file[i])}.html`;

// The state, which the address keeps.
const SHOWN = ["theta_E", "theta_E", "gamma"]; // in the distribution, along and up in the plot of two quantities
const state = { status: new Set(), stage: new Set(), q: "", sort: "", page: 0, view: "table", shown: [...SHOWN] };

function readAddress() {
  const found = new URLSearchParams(location.hash.slice(1)),
    list = (key) => new Set((found.get(key) ?? "").split(",").filter(Boolean).map(Number));
  Object.assign(state, {
    status: list("status"),
    stage: list("stage"),
    q: found.get("q") ?? "",
    sort: found.get("sort") ?? "",
    page: Number(found.get("page") ?? 1) - 1 || 0,
    view: found.get("view") ?? "table",
    shown: (found.get("show") ?? "").split(",").length === 3 ? found.get("show").split(",") : [...SHOWN],
  });
}

function writeAddress() {
  const kept = new URLSearchParams();
  if (state.status.size) kept.set("status", [...state.status].join());
  if (state.stage.size) kept.set("stage", [...state.stage].join());
  for (const key of ["q", "sort"]) if (state[key]) kept.set(key, state[key]);
  if (state.page) kept.set("page", state.page + 1);
  if (state.view !== "table") kept.set("view", state.view);
  if (String(state.shown) !== String(SHOWN)) kept.set("show", state.shown.join());
  history.replaceState(null, "", `${location.pathname}${location.search}${String(kept) ? "#" + kept : ""}`);
}

// Filter and order.
const COMPARE = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
};

function parseQuery(text) {
  const tests = [],
    wrong = [];
  for (const word of text.trim().split(/\s+/).filter(Boolean)) {
    const [, name, sign, value] = /^([A-Za-z]\w*)(<=|>=|<|>|=)(\S*)$/.exec(word) ?? [];
    if (!name) tests.push((i) => searched[i].includes(word.toLowerCase()));
    else if (!(name in numbers)) wrong.push(`no number is called ${name}`);
    else if (value === "" || Number.isNaN(Number(value))) wrong.push(`${word}: what follows ${sign} is not a number`);
    else tests.push((i) => finite(numbers[name][i]) && COMPARE[sign](numbers[name][i], Number(value)));
  }
  return [tests, wrong];
}

const collator = new Intl.Collator(undefined, { numeric: true });

function order(rows) {
  const down = state.sort.startsWith("-"),
    name = state.sort.replace(/^-/, ""),
    sign = down ? -1 : 1;
  if (!name) return down ? [...rows].reverse() : rows;
  if (name === "lens_id") return [...rows].sort((a, b) => sign * collator.compare(data.lens_id[a], data.lens_id[b]));
  const column = name === "status" ? data.status : name === "stage" ? data.stage : numbers[name];
  if (!column) return rows;
  const known = rows.filter((i) => finite(column[i])),
    unknown = rows.filter((i) => !finite(column[i]));
  return [...known.sort((a, b) => sign * (column[a] - column[b]) || a - b), ...unknown];
}

function filtered() {
  const [tests, wrong] = parseQuery(state.q);
  at("message").textContent = wrong.join("; ");
  const chosen = (set, value) => !set.size || set.has(value);
  return ALL.filter(
    (i) => chosen(state.status, data.status[i]) && chosen(state.stage, data.stage[i]) && tests.every((test) => test(i)),
  );
}

// Numbers as text.
const digits = (value, count) => (finite(value) ? String(Number(value.toPrecision(count))).replace("-", "−") : "–");

function measured(name, i) {
  const value = numbers[name][i],
    low = numbers[`${name}-lo`]?.[i],
    high = numbers[`${name}-hi`]?.[i];
  if (!finite(value)) return element("td", { class: "number soft", text: "–" });
  if (!finite(low) || !(low + high > 0)) return element("td", { class: "number", text: digits(value, 4) });
  const width = (low + high) / 2,
    decimals = Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(width))));
  const cell = element("td", {
    class: "number",
    title: `+${high} −${low}`,
    text: value.toFixed(decimals).replace("-", "−"),
  });
  cell.append(element("span", { class: "soft", text: ` ± ${width.toFixed(decimals)}` }));
  return cell;
}

const fixed = (decimals) => (name, i) =>
  element("td", { class: "number", text: finite(numbers[name][i]) ? numbers[name][i].toFixed(decimals) : "–" });
const CELLS = {
  theta_E: measured,
  gamma: measured,
  q: fixed(2),
  shear: fixed(3),
  rhat_max: fixed(3),
  ess_bulk_min: fixed(0),
  chi2_reduced: fixed(2),
  run_time_s: fixed(0),
};

function picture(i) {
  const source = data.thumbnail[i];
  if (source === null) return element("span", { class: "nothing", text: "no image" });
  return element("img", {
    src: source || `lenses/${encodeURIComponent(data.file[i])}.webp`,
    loading: "lazy",
    height: 52,
    alt: `data, model and residual of ${data.lens_id[i]}`,
  });
}

function verdict(i) {
  const { kind, value } = data.statuses[data.status[i]],
    stage = data.stages[data.stage[i]];
  const shown = [element("span", { class: `status ${kind}`, text: value })];
  if (stage && value !== "invalid input") shown.push(element("span", { class: "soft small", text: ` · ${stage}` }));
  if (data.reason[i]) shown.push(element("div", { class: "reason", title: data.reason[i], text: data.reason[i] }));
  return shown;
}

function tableOf(rows) {
  const heading = (name, label, kind = "") => {
    const sorted = state.sort.replace(/^-/, "") === name,
      cell = element("th", {
        scope: "col",
        class: kind,
        "aria-sort": !sorted ? "none" : state.sort[0] === "-" ? "descending" : "ascending",
      });
    const button = element("button", { html: label });
    button.addEventListener("click", () =>
      change({ sort: sorted && state.sort[0] !== "-" ? "-" + name : name, page: 0 }, () =>
        at("lenses").querySelector(`[data-name="${name}"] button`)?.focus(),
      ),
    );
    cell.dataset.name = name;
    cell.append(button);
    return cell;
  };
  const titled = (name) =>
    columns.get(name).symbol + (columns.get(name).unit ? ` <span class="soft">(${columns.get(name).unit})</span>` : "");
  const head = element(
    "tr",
    {},
    element("th", { scope: "col", text: "Data, model, residual" }),
    heading("lens_id", "Lens"),
    heading("status", "What became of it"),
    ...Object.keys(CELLS).map((name) => heading(name, titled(name), "right")),
  );
  const body = rows.map((i) =>
    element(
      "tr",
      {},
      element("td", {}, element("a", { href: address(i), tabindex: "-1", "aria-hidden": "true" }, picture(i))),
      element("td", { class: "id" }, element("a", { href: address(i), text: data.lens_id[i] })),
      element("td", { class: "what" }, ...verdict(i)),
      ...Object.entries(CELLS).map(([name, cell]) => cell(name, i)),
    ),
  );
  return element(
    "div",
    { class: "card list", tabindex: "0", role: "region", "aria-label": "Table of lenses" },
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)),
  );
}

function galleryOf(rows) {
  const facts = (i) =>
    ["theta_E", "gamma", "rhat_max", "chi2_reduced"]
      .filter((name) => finite(numbers[name][i]))
      .map((name) => `${columns.get(name).symbol} ${digits(numbers[name][i], 4)}`)
      .join(" · ");
  return element(
    "ul",
    { class: "gallery" },
    ...rows.map((i) =>
      element(
        "li",
        { class: "card" },
        element("a", { href: address(i), tabindex: "-1", "aria-hidden": "true" }, picture(i)),
        element("div", { class: "heading" }, element("a", { href: address(i), text: data.lens_id[i] })),
        element("div", {}, ...verdict(i)),
        element("div", { class: "small soft", html: facts(i) }),
      ),
    ),
  );
}

// The chips of statuses and stages, and the bar above them.
function chip(set, value, count, label, kind = "") {
  const button = element(
    "button",
    { "aria-pressed": "false", class: kind },
    element("b", { text: count.toLocaleString("en") }),
    ` ${label}`,
  );
  button.addEventListener("click", () => {
    set().has(value) ? set().delete(value) : set().add(value);
    change({ page: 0 });
  });
  button.update = () => button.setAttribute("aria-pressed", String(set().has(value)));
  return button;
}

const chips = [];
function buildChips() {
  const count = (column, value) => ALL.filter((i) => column[i] === value).length;
  data.statuses.forEach(({ value, kind, sentence }, code) => {
    const many = count(data.status, code);
    if (many) at("bar").append(element("span", { class: kind, style: `flex: ${many} 0 0` }));
    const made = chip(() => state.status, code, many, value, `status ${kind}`);
    made.title = sentence;
    made.disabled = !many;
    at("statuses").append(made);
    chips.push(made);
  });
  const stages = data.stages
    .map((stage, code) => [stage, code, count(data.stage, code)])
    .filter(([stage, , many]) => stage && many);
  if (stages.length) at("stages").append(element("span", { class: "soft small", text: "earliest stage that failed:" }));
  for (const [stage, code, many] of stages) {
    const made = chip(() => state.stage, code, many, stage);
    at("stages").append(made);
    chips.push(made);
  }
}

// The chip of lenses with a mass parameter that is the prior's more than the data's: a word of the search.
function buildPriorChip() {
  const word = "prior_dominated>0",
    many = ALL.filter((i) => numbers.prior_dominated[i] > 0).length;
  if (!many) return;
  const words = () => state.q.split(/\s+/).filter(Boolean);
  const query = {
    has: () => words().includes(word),
    add: () => {
      state.q = [...words(), word].join(" ");
    },
    delete: () => {
      state.q = words()
        .filter((one) => one !== word)
        .join(" ");
    },
  };
  const made = chip(() => query, word, many, "prior-dominated");
  made.title = "a parameter of the mass has a posterior more than 0.8 times as wide as its prior";
  at("priors").append(made);
  chips.push(made);
}

// The plots.
const unitOf = (name) => (columns.get(name).unit ? ` (${columns.get(name).unit})` : "");
const go = (i) => () => {
  location.href = address(i);
};
const withNumbers = (rows, ...names) => rows.filter((i) => names.every((name) => finite(numbers[name][i])));

function histogram(name, guides = []) {
  return (plot, rows) => {
    const known = withNumbers(rows, name),
      column = numbers[name];
    if (!known.length) return null;
    const sorted = known.map((i) => column[i]).sort((a, b) => a - b);
    let [low, high] = [quantile(sorted, 0.005), quantile(sorted, 0.995)];
    for (const guide of guides) {
      low = Math.min(low, guide);
      high = Math.max(high, guide);
    }
    const step = niceStep(high - low || Math.abs(high) || 1, Math.min(40, 6 + Math.sqrt(known.length) * 1.5));
    const first = Math.floor(low / step),
      count = Math.max(1, Math.floor(high / step) - first + 1);
    const edges = Array.from({ length: count + 1 }, (_, k) => Number(((first + k) * step).toPrecision(6)));
    const stacks = edges.slice(1).map(() => new Map(data.statuses.map(({ kind }) => [kind, 0])));
    for (const i of known) {
      const stack = stacks[Math.min(count - 1, Math.max(0, Math.floor((column[i] - edges[0]) / step)))];
      stack.set(kindOf(i), stack.get(kindOf(i)) + 1);
    }
    const top = Math.max(...stacks.map((stack) => [...stack.values()].reduce((a, b) => a + b)));
    plot.frame([edges[0], edges[count]], [0, top * 1.05], {
      xLabel: name + unitOf(name),
      yLabel: "lenses",
      whole: true,
    });
    plot.bars(stacks, edges, (bin, many) => {
      const from = bin > 0 ? `${name}>=${edges[bin]}` : "",
        to = bin < count - 1 ? `${name}<${edges[bin + 1]}` : "";
      return {
        text: `${many}: ${`${from} ${to}`.trim()}`,
        go: () => change({ q: `${state.q} ${from} ${to}`.trim(), page: 0 }),
      };
    });
    guides.forEach((guide) => plot.guide(guide, "x"));
    return `median ${digits(quantile(sorted, 0.5), 3)}, 68 % between ${digits(quantile(sorted, 0.16), 3)} and ${digits(quantile(sorted, 0.84), 3)}`;
  };
}

// What the certificate demands of a quantity, drawn where its distribution is shown.
const GUIDES = {
  rhat_max: [limits.rhat],
  ess_bulk_min: [limits.ess],
  ess_tail_min: [limits.ess],
  ebfmi_min: [limits.ebfmi],
  chi2_reduced: limits.chi2,
  ppp: limits.ppp,
};
const distribution = (plot, rows) => histogram(plot.picked[0], GUIDES[plot.picked[0]])(plot, rows);
const pair = (plot, rows) => scatter(...plot.picked)(plot, rows);

function within(name, [low, high]) {
  return `${name}>=${Number(low.toPrecision(4))} ${name}<=${Number(high.toPrecision(4))}`;
}

function scatter(xName, yName) {
  return (plot, rows) => {
    const known = withNumbers(rows, xName, yName);
    if (!known.length) return null;
    const inner = (name) => {
      const s = known.map((i) => numbers[name][i]).sort((a, b) => a - b),
        e = s.length > 200 ? 0.002 : 0;
      return padded([quantile(s, e), quantile(s, 1 - e)]);
    };
    plot.small = known.length > 1500;
    plot.frame(inner(xName), inner(yName), { xLabel: xName + unitOf(xName), yLabel: yName });
    for (const i of known)
      plot.dot(numbers[xName][i], numbers[yName][i], kindOf(i), { text: data.lens_id[i], go: go(i) });
    plot.select = (xs, ys) => change({ q: `${state.q} ${within(xName, xs)} ${within(yName, ys)}`.trim(), page: 0 });
    return `${known.length.toLocaleString("en")} lenses; a point leads to its lens, a box drawn here filters`;
  };
}

function convergence(plot, rows) {
  const known = withNumbers(rows, "rhat_max", "ess_bulk_min").filter((i) => numbers.ess_bulk_min[i] > 0);
  if (!known.length) return null;
  const excess = (i) => Math.max(1e-4, numbers.rhat_max[i] - 1),
    demanded = limits.rhat - 1;
  plot.small = known.length > 1500;
  plot.frame(
    padded([...known.map((i) => numbers.ess_bulk_min[i]), limits.ess], true),
    padded([...known.map(excess), demanded], true),
    { xLabel: "least bulk ESS", yLabel: "R-hat − 1", xLog: true, yLog: true },
  );
  for (const i of known)
    plot.dot(numbers.ess_bulk_min[i], excess(i), kindOf(i), {
      text: `${data.lens_id[i]}: R-hat ${numbers.rhat_max[i]}, ESS ${numbers.ess_bulk_min[i]}`,
      go: go(i),
    });
  plot.guide(limits.ess, "x");
  plot.guide(demanded, "y");
  const good = known.filter((i) => numbers.rhat_max[i] <= limits.rhat && numbers.ess_bulk_min[i] >= limits.ess).length;
  return `${good.toLocaleString("en")} of ${known.length.toLocaleString("en")} within R-hat ${limits.rhat} and ESS ${limits.ess}`;
}

function recovery(plot, rows) {
  const [name] = plot.picked,
    truth = data.truth[name],
    low = numbers[`${name}-lo`],
    high = numbers[`${name}-hi`];
  const known = withNumbers(rows, name, `${name}-lo`).filter((i) => finite(truth[i]));
  if (!known.length) return null;
  const off = (i) => numbers[name][i] - truth[i],
    far = known.map((i) => Math.abs(off(i)) + Math.max(low[i], high[i])).sort((a, b) => a - b);
  const reach = quantile(far, known.length > 50 ? 0.99 : 1) * 1.1;
  plot.small = known.length > 400;
  plot.frame(padded(known.map((i) => truth[i])), [-reach, reach], {
    xLabel: `true ${name}${unitOf(name)}`,
    yLabel: "median − truth",
  });
  for (const i of known) {
    if (!plot.small) {
      plot.pen.strokeStyle = paint.cache[kindOf(i)];
      plot.pen.globalAlpha = 0.45;
      plot.pen.beginPath();
      plot.pen.moveTo(plot.x(truth[i]), plot.y(off(i) - low[i]));
      plot.pen.lineTo(plot.x(truth[i]), plot.y(off(i) + high[i]));
      plot.pen.stroke();
      plot.pen.globalAlpha = 1;
    }
    plot.dot(truth[i], off(i), kindOf(i), { text: `${data.lens_id[i]}: off by ${digits(off(i), 2)}`, go: go(i) });
  }
  plot.guide(0, "y");
  const held = known.filter((i) => off(i) <= low[i] && -off(i) <= high[i]).length;
  return `the 68 % interval holds the truth in ${held} of ${known.length} (${Math.round((100 * held) / known.length)} %)`;
}

const plots = [];
function show(place, name) {
  state.shown[place] = name;
  writeAddress();
}

function buildPlots() {
  const host = at("plots");
  const names = [...columns.keys()],
    [h, x, y] = state.shown;
  plots.push(
    new Plot(host, "Distribution", distribution, [{ label: "of what", names, value: h }], ([h]) => show(0, h)),
  );
  plots.push(
    new Plot(
      host,
      "Two quantities",
      pair,
      [
        { label: "along", names, value: x },
        { label: "up", names, value: y },
      ],
      ([x, y]) => {
        show(1, x);
        show(2, y);
      },
    ),
  );
  plots.push(new Plot(host, "Convergence", convergence));
  plots.push(new Plot(host, "Reduced χ²", histogram("chi2_reduced", limits.chi2)));
  const known = Object.keys(data.truth);
  if (known.length)
    plots.push(new Plot(host, "Truth recovered", recovery, [{ label: "which parameter", names: known }]));
  plots.push(new Plot(host, "Time a lens", histogram("run_time_s")));
}

function drawPlots(rows) {
  paint.cache = Object.fromEntries(data.statuses.map(({ kind }) => [kind, paint(kind)]));
  plots.forEach((plot) => plot.show(rows));
}

// All together.
let current = [];

function showRows() {
  const pages = Math.max(1, Math.ceil(current.length / PAGE));
  state.page = Math.min(Math.max(0, state.page), pages - 1);
  const gallery = state.view === "gallery" || NARROW.matches,
    rows = current.slice(state.page * PAGE, (state.page + 1) * PAGE);
  const made = rows.length
    ? gallery
      ? galleryOf(rows)
      : tableOf(rows)
    : element("p", { class: "card soft", text: "No lens passes the filter." });
  at("lenses").replaceChildren(made);
  const from = state.page * PAGE,
    of =
      current.length === N
        ? `${N.toLocaleString("en")} lenses`
        : `${current.length.toLocaleString("en")} of ${N.toLocaleString("en")} lenses`;
  at("shown").textContent = rows.length ? `${from + 1} to ${from + rows.length} of ${of}` : of;
  document.querySelectorAll(".back").forEach((button) => {
    button.disabled = state.page === 0;
  });
  document.querySelectorAll(".on").forEach((button) => {
    button.disabled = state.page === pages - 1;
  });
}

function refresh(replot = true) {
  const rows = filtered();
  current = order(rows);
  showRows();
  chips.forEach((made) => made.update());
  if (at("search").value !== state.q) at("search").value = state.q;
  at("sort").value = state.sort.replace(/^-/, "");
  at("view").setAttribute("aria-pressed", String(state.view === "gallery"));
  at("view").hidden = NARROW.matches;
  if (replot) drawPlots(rows);
}

function change(what, then) {
  const replot =
    !Object.keys(what).every((key) => key === "sort" || key === "view") &&
    !(Object.keys(what).length === 1 && what.page);
  Object.assign(state, what);
  refresh(replot);
  writeAddress();
  then?.();
}

function listen() {
  let waiting;
  at("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => change({ q: at("search").value, page: 0 }), 120);
  });
  at("sort").addEventListener("change", () => change({ sort: at("sort").value, page: 0 }));
  at("turn").addEventListener("click", () =>
    change({ sort: state.sort[0] === "-" ? state.sort.slice(1) : "-" + state.sort, page: 0 }),
  );
  at("view").addEventListener("click", () => change({ view: state.view === "table" ? "gallery" : "table" }));
  at("clear").addEventListener("click", () => change({ status: new Set(), stage: new Set(), q: "", page: 0 }));
  const turnPage = (step) => () => {
    change({ page: state.page + step });
    at("shown").scrollIntoView({ block: "nearest" });
  };
  document.querySelectorAll(".back").forEach((button) => button.addEventListener("click", turnPage(-1)));
  document.querySelectorAll(".on").forEach((button) => button.addEventListener("click", turnPage(1)));
  addEventListener("hashchange", () => {
    readAddress();
    plots[0].pick(state.shown.slice(0, 1));
    plots[1].pick(state.shown.slice(1));
    refresh();
  });
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(refresh, 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => refresh());
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|SELECT/.test(document.activeElement.tagName)) {
      event.preventDefault();
      at("search").focus();
    }
  });
}

at("names").textContent = Object.keys(numbers)
  .filter((name) => !name.includes("-"))
  .join(", ");
for (const [name, label] of [
  ["", "catalogue order"],
  ["lens_id", "lens"],
  ["status", "status"],
  ["stage", "stage"],
  ...[...columns.keys()].map((name) => [name, name]),
])
  at("sort").add(new Option(label, name));
at("pages").append(...(window.lensmillPages ?? []).map(([title, page]) => element("a", { href: page, text: title })));
buildChips();
buildPriorChip();
readAddress();
buildPlots();
listen();
refresh();
