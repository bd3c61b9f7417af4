// The page: the list of hosts with its filters, the matrix by keyboard, and the
// theme. All text is set as text, never as markup.
(function () {
  const pageSize = 50, paperSize = 2000;
  const none = { text: "", class: -1, state: "", row: -1, profile: "", net: -1, bound: -1, tag: "", cause: 0 };
  const by = (id) => document.getElementById(id);
  let run, filter = { ...none }, found, page = 0;
  const inputs = {};

  // make builds an element of attributes, properties and children.
  function make(name, attrs, ...children) {
    const e = document.createElement(name);
    for (const [k, v] of Object.entries(attrs || {})) {
      if (v === false || v === null) continue;
      if (k === "class") e.className = v;
      else if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
      else e.setAttribute(k, v === true ? "" : v);
    }
    e.append(...children.filter((c) => c !== null && c !== undefined));
    return e;
  }

  const many = (n, word) => n.toLocaleString("en") + " " + word + (n === 1 ? "" : "s");
  const badge = (state) => make("span", { class: "state s-" + state }, state);
  const tones = ["good", "bad", "warn", "warn", "none", "warn", "good", "none"];

  // choice is a labelled list; options are pairs of value and text.
  function choice(key, label, options, parse) {
    const s = make("select", { id: "f-" + key }, ...options.map(([v, t]) => make("option", { value: v }, t)));
    s.addEventListener("change", () => { parse(s.value); apply(true); });
    inputs[key] = s;
    return make("label", {}, make("span", {}, label), s);
  }

  function field(key, label, hint) {
    const i = make("input", { id: "f-" + key, type: "search", placeholder: hint, autocomplete: "off", spellcheck: "false" });
    i.addEventListener("input", () => { filter[key] = i.value; apply(true); });
    inputs[key] = i;
    return make("label", {}, make("span", {}, label), i);
  }

  function controls() {
    const used = new Set(run.paths.map((p) => p[2]));
    const profiles = [...new Set(run.rows.map((r) => r.id.split("/")[0]))];
    const rows = [["", "any row"]];
    for (const p of profiles) {
      rows.push(["p:" + p, p + ": all rows"]);
      run.rows.forEach((r, i) => { if (r.id.startsWith(p + "/")) rows.push([String(i), r.id + "  " + r.port]); });
    }
    const list = [
      field("text", "Search", "host, address, boundary, tag"),
      choice("class", "Hosts", [["-1", "all"], ...run.classes.slice(0, 6).map((c, i) => [String(i), c])], (v) => { filter.class = Number(v); }),
      choice("state", "State", [["", "any state"], ...run.states.filter((s, i) => used.has(i)).map((s) => [s, s])], (v) => { filter.state = v; }),
      choice("row", "Row", rows, (v) => {
        filter.profile = v.startsWith("p:") ? v.slice(2) : "";
        filter.row = v === "" || filter.profile ? -1 : Number(v);
      }),
    ];
    const names = (all, any) => [["-1", any], ...all.map((n, i) => [String(i), n || "(in no boundary)"])];
    if (run.boundaries.length) list.push(choice("bound", "Boundary", names(run.boundaries, "any boundary"), (v) => { filter.bound = Number(v); }));
    list.push(choice("net", "Subnet", names(run.nets, "any subnet"), (v) => { filter.net = Number(v); }));
    if (run.tags.some((t) => t.length)) list.push(tagField());
    if (run.causes.length) {
      const short = (s) => (s.length > 70 ? s.slice(0, 67) + "..." : s);
      list.push(choice("cause", "Cause", [["0", "any cause"], ...run.causes.map((c, i) => [String(i + 1), (i + 1) + ". " + short(c)])], (v) => { filter.cause = Number(v); }));
    }
    list.push(make("button", { type: "button", id: "clear", onclick: () => { filter = { ...none }; apply(false); inputs.text.focus(); } }, "Clear"));
    return make("form", { class: "filters", role: "search", "aria-label": "Filter the hosts", onsubmit: (e) => e.preventDefault() }, ...list);
  }

  // tagField offers the tags that most hosts have.
  function tagField() {
    const counts = new Map();
    for (const tags of run.tags) for (const t of tags) counts.set(t, (counts.get(t) || 0) + 1);
    const best = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 100);
    const label = field("tag", "Tag", "key=value");
    inputs.tag.setAttribute("list", "tags");
    label.append(make("datalist", { id: "tags" }, ...best.map(([t]) => make("option", { value: t }))));
    return label;
  }

  // apply shows what the filter lets through. The address of the page keeps the
  // filter, so that Back goes to the one before.
  function apply(typed) {
    found = select(run, filter);
    page = 0;
    const hash = hashOf(filter);
    if (location.hash !== hash) history[typed ? "replaceState" : "pushState"](null, "", hash);
    for (const [key, input] of Object.entries(inputs)) {
      const v = key === "row" && filter.profile ? "p:" + filter.profile : key === "row" && filter.row < 0 ? "" : String(filter[key]);
      if (input.value !== v) input.value = v;
    }
    show();
  }

  function hashOf(f) {
    const parts = [];
    for (const key of Object.keys(none)) if (f[key] !== none[key]) parts.push(key + "=" + encodeURIComponent(f[key]));
    return "#hosts" + (parts.length ? ":" + parts.join("&") : "");
  }

  // fromHash reads a filter; null when the address is that of another part.
  function fromHash(hash) {
    if (hash !== "#hosts" && !hash.startsWith("#hosts:")) return null;
    const f = { ...none };
    for (const part of hash.slice(7).split("&")) {
      const at = part.indexOf("=");
      const key = part.slice(0, at);
      if (at < 0 || !Object.hasOwn(none, key)) continue;
      let value = part.slice(at + 1);
      try { value = decodeURIComponent(value); } catch { continue; }
      f[key] = typeof none[key] === "number" ? Math.trunc(Number(value)) || 0 : value;
    }
    return f;
  }

  function show() {
    const total = found.hosts.length;
    const pages = Math.max(1, Math.ceil(total / pageSize));
    page = Math.min(Math.max(page, 0), pages - 1);
    const first = page * pageSize;
    by("count").textContent = many(total, "host") + " of " + run.hosts.length.toLocaleString("en") + ", " + many(found.paths, "path");
    const body = by("hostlist");
    body.replaceChildren(...found.hosts.slice(first, first + pageSize).flatMap((i) => [hostLine(i)]));
    by("nothing").hidden = total > 0;
    by("where").textContent = total > pageSize ? "hosts " + (first + 1) + " to " + Math.min(first + pageSize, total) : "";
    by("pager").hidden = total <= pageSize;
    by("before").disabled = page === 0;
    by("after").disabled = page >= pages - 1;
  }

  // hostLine is a line of the table; its button opens the paths below it.
  function hostLine(index) {
    const h = run.hosts[index];
    const id = "h" + index;
    const line = make("tr", {},
      make("th", { scope: "row" }, make("button", { type: "button", class: "open", "aria-expanded": "false", "aria-controls": id, onclick: (e) => toggle(e.currentTarget, line, index, id) }, h[0])),
      make("td", { class: "wide" }, h[1]),
      make("td", { class: "word " + tones[h[4]] }, run.classes[h[4]]),
      make("td", {}, ...troubles(h)),
      make("td", { class: "wide" }, h[3] >= 0 ? run.boundaries[h[3]] || "-" : run.nets[h[2]]));
    line.dataset.host = index;
    return line;
  }

  // On paper are the hosts that the filter names; without one, those that need
  // work. What is open on the screen is open there too, and stays so.
  let onScreen = null;
  function toPaper() {
    if (onScreen) return;
    onScreen = [...by("hostlist").children];
    const drawn = new Map();
    let last = -1;
    for (const line of onScreen) {
      if (line.dataset.host) last = Number(line.dataset.host);
      drawn.set(last, [...(drawn.get(last) || []), line]);
    }
    const all = hashOf(filter) === "#hosts", needsWork = (i) => run.hosts[i][4] >= 1 && run.hosts[i][4] <= 3;
    const wanted = all && found.hosts.length > pageSize ? found.hosts.filter(needsWork) : found.hosts;
    const order = new Intl.Collator("en", { numeric: true });
    const shown = [...wanted].sort((a, b) => order.compare(run.hosts[a][0], run.hosts[b][0])).slice(0, paperSize);
    by("hostlist").replaceChildren(...shown.flatMap((i) => drawn.get(i) || [hostLine(i)]));
    const left = wanted.length - shown.length, well = found.hosts.length - wanted.length;
    const parts = ["Printed: " + many(shown.length, "host") + (wanted === found.hosts ? "" : ", those that need work") + "."];
    if (left) parts.push(left.toLocaleString("en") + " more need a place that paper has not: cmreach report RUN.jsonl -o csv=hosts.csv lists them.");
    if (well) parts.push(many(well, "host") + " that need" + (well === 1 ? "s" : "") + " no work " + (well === 1 ? "is" : "are") + " left out.");
    by("paper").textContent = parts.join(" ");
  }

  function toScreen() {
    if (!onScreen) return;
    by("hostlist").replaceChildren(...onScreen);
    onScreen = null;
  }

  // troubles are the states of a host with their rows: what fails first, then
  // what is not decided, and what does not count.
  function troubles(h) {
    const order = [8, 0, 1, 2, 4, 3, 5, 6], groups = new Map();
    let open = 0;
    for (const n of run.shapes[h[5]]) {
      const p = run.paths[n], key = order[p[3]] * 100 + p[2];
      if (p[3] === 0) { open++; continue; }
      if (!groups.has(key)) groups.set(key, { state: run.states[p[2]], class: p[3], rows: [] });
      groups.get(key).rows.push(p[1] < 0 ? "?" : run.rows[p[1]].id);
    }
    const out = [];
    for (const [, g] of [...groups].sort((a, b) => a[0] - b[0])) {
      const more = g.rows.length > 4 ? " +" + (g.rows.length - 4) : "";
      const note = g.class > 4 ? " (" + run.classes[g.class] + ")" : "";
      out.push(make("span", { class: g.class > 4 ? "trouble minor" : "trouble" }, badge(g.state), " " + g.rows.slice(0, 4).join(", ") + more + note), " ");
    }
    if (open) out.push(make("span", { class: "trouble" }, badge("open"), " " + open));
    return out;
  }

  function toggle(button, line, index, id) {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) { by(id).remove(); return; }
    const wide = make("td", { colspan: "5" });
    const h = run.hosts[index];
    const about = [h[1] || "no address", run.nets[h[2]], ...(h[3] >= 0 && run.boundaries[h[3]] ? [run.boundaries[h[3]]] : []), ...run.tags[index]];
    wide.append(make("p", { class: "tags" }, about.join("; ")));
    const paths = pathsOf(run, index);
    const asked = (p) => found.fits[p.number];
    const every = paths.every(asked);
    paths.sort((a, b) => asked(b) - asked(a) || (a.class === 0) - (b.class === 0));
    paths.forEach((p, i) => wide.append(pathBlock(p, !every && asked(p) || every && (p.class !== 0 || paths.length === 1) && i < 4, h[1])));
    line.after(make("tr", { id, class: "paths" }, wide));
  }

  // pathBlock is one path: its verdict in a line, and below it what it rests on.
  function pathBlock(p, open, address) {
    const row = run.rows[p.row] || { id: "?", port: "", title: "", from: "", to: "", required: true };
    const facts = make("dl", {});
    const say = (term, ...what) => { if (what[0]) facts.append(make("dt", {}, term), make("dd", {}, ...what)); };
    say("path", row.from && (row.from + " to " + row.to + (row.required ? "" : "; informational, not required")));
    say("verdict", p.state + " (" + p.reason + ")" + (p.state === "open" ? ", proven: " + p.assurance : ""));
    say("rejected by", p.by === address && p.by ? p.by + ", the host itself" : p.by);
    say("between", p.between);
    say("ports", p.ports);
    say("made good by", p.satisfied);
    if (p.conflict) say("conflict", "the merged runs decided it differently; the worse counts");
    if (p.evidence === null) say("evidence", "left out, as the path is open and the page would be too large; cmreach report RUN.jsonl -v has it");
    else if (p.evidence.length) say("evidence", make("ol", { class: "evidence" }, ...p.evidence.map((e) => make("li", {}, e))));
    else say("evidence", "none");
    say("how to fix", p.class !== 0 && p.fix);
    if (p.cause) say("cause", make("a", { href: "#cause-" + p.cause }, p.cause + ". " + run.causes[p.cause - 1]));
    return make("details", { open: Boolean(open) },
      make("summary", {}, badge(p.state), " ", make("b", {}, row.id), " " + row.port + " ", make("span", { class: "message" }, p.message)), facts);
  }

  function explorer() {
    const turn = (n) => () => { page += n; show(); by("count").focus(); };
    const head = ["host", "address", "verdict", "paths by state"].map((h) => make("th", { scope: "col", class: h === "address" && "wide" }, h));
    head.push(make("th", { scope: "col", class: "wide" }, run.boundaries.length ? "boundary" : "subnet"));
    by("explorer").append(controls(),
      make("p", { id: "count", role: "status", "aria-live": "polite", tabindex: "-1" }),
      make("p", { id: "paper", "aria-hidden": "true" }),
      make("div", { class: "scroll", role: "region", "aria-label": "Hosts", tabindex: "0" },
        make("table", { class: "hostlist", "aria-label": "Hosts" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", { id: "hostlist" }))),
      make("p", { id: "nothing", hidden: true }, "No host fits. Clear takes all filters away."),
      make("div", { id: "pager", hidden: true },
        make("button", { type: "button", id: "before", onclick: turn(-1) }, "Earlier"), make("span", { id: "where" }),
        make("button", { type: "button", id: "after", onclick: turn(1) }, "Later")));
    if (run.left) by("explorer").append(make("p", { class: "hint" }, "The evidence of " + many(run.left, "open path") + " is left out, so that this page stays small; that of all others is here."));
    by("explorer").hidden = false;
  }

  // The matrix has one stop of the Tab key; the arrow keys move within it.
  function matrixKeys(table) {
    const lines = [...table.tBodies[0].rows].map((r) => [...r.cells].map((c) => c.querySelector("a")));
    const links = lines.flat().filter(Boolean);
    links.forEach((a, i) => { a.tabIndex = i ? -1 : 0; });
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    table.addEventListener("keydown", (e) => {
      const step = steps[e.key], cell = e.target.closest("td,th");
      if (!step || !cell || e.ctrlKey || e.altKey || e.metaKey) return;
      e.preventDefault();
      let y = cell.parentNode.sectionRowIndex, x = cell.cellIndex, next;
      do { y += step[0]; x += step[1]; next = lines[y] && lines[y][x]; } while (!next && lines[y] && x >= 0 && x < lines[y].length);
      if (next) { links.forEach((a) => { a.tabIndex = -1; }); next.tabIndex = 0; next.focus(); }
    });
  }

  // theme goes through: as the system has it, light, dark.
  function theme() {
    const words = ["as the system", "light", "dark"];
    const root = document.documentElement, button = by("theme");
    const set = (word) => {
      if (word === words[0]) delete root.dataset.theme; else root.dataset.theme = word;
      button.textContent = "Theme: " + word;
    };
    let now = words[0];
    try { now = localStorage.getItem("cmreach-theme") || now; } catch { /* a file may have no store */ }
    set(words.includes(now) ? now : words[0]);
    button.addEventListener("click", () => {
      now = words[(words.indexOf(now) + 1) % words.length];
      set(now);
      try { localStorage.setItem("cmreach-theme", now); } catch { /* then it holds for now */ }
    });
  }

  function follow(focus) {
    const f = fromHash(location.hash);
    if (!f) return;
    filter = f;
    apply(true);
    if (location.hash === "#hosts" || !focus) return;
    by("hosts").scrollIntoView();
    by("count").focus({ preventScroll: true });
  }

  document.documentElement.classList.add("scripts");
  theme();
  run = readRun(by("data").textContent);
  explorer();
  found = select(run, filter);
  show();
  document.querySelectorAll("table.matrix").forEach(matrixKeys);
  window.addEventListener("beforeprint", toPaper);
  window.addEventListener("afterprint", toScreen);
  window.matchMedia("print").addEventListener("change", (e) => (e.matches ? toPaper() : toScreen()));
  window.addEventListener("hashchange", () => follow(true));
  // A cell that is chosen again leads to its hosts again.
  document.addEventListener("click", (e) => {
    const a = e.target.closest && e.target.closest('a[href^="#hosts:"]');
    if (a && a.getAttribute("href") === location.hash) follow(true);
  });
  follow(true);
})();
