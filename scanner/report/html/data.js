// The data of the page: what the report says of each host, and which hosts a
// filter lets through. Nothing here touches the page.
"use strict";

// readRun unpacks the data. Texts, paths and shapes (the paths of a host) stand
// in the stream before the hosts that name them by number.
function readRun(json) {
  const d = JSON.parse(json);
  const texts = [], paths = [], shapes = [], hosts = [];
  for (const item of d.stream) {
    if (typeof item === "string") texts.push(item);
    else if (Array.isArray(item)) hosts.push(item);
    else if (item.p) paths.push(item.p);
    else shapes.push(item.s);
  }
  d.stream = null;
  // The text by which a host is found, in small letters.
  const finds = hosts.map((h) => {
    const parts = [h[0], h[1]];
    if (h[3] >= 0) parts.push(d.boundaries[h[3]]);
    return parts.join("\n").toLowerCase();
  });
  const tags = hosts.map((h) => {
    const out = [];
    for (let i = 0; i + 1 < h[6].length; i += 2) out.push(fill(texts[h[6][i]], h) + "=" + fill(texts[h[6][i + 1]], h));
    return out;
  });
  const tagged = tags.map((t) => t.join("\n").toLowerCase());
  return { ...d, texts, paths, shapes, hosts, finds, tags, tagged };
}

// fill puts in what stands for the host's own name and address.
function fill(text, host, took) {
  return text.replace(/[\u0001-\u0004]/g, (c) => {
    switch (c) {
      case "\u0001": return host[0];
      case "\u0002": return host[1];
      case "\u0003": return host[0].split(".")[0].toUpperCase();
      default: return took;
    }
  });
}

// pathsOf unpacks the paths of a host.
function pathsOf(run, index) {
  const h = run.hosts[index];
  const text = (n) => fill(run.texts[n], h);
  return run.shapes[h[5]].map((number, i) => {
    const p = run.paths[number];
    return {
      number, row: p[1], state: run.states[p[2]], class: p[3], cause: p[4], assurance: run.assurances[p[5]],
      reason: text(p[6]), by: text(p[7]), between: text(p[8]), message: text(p[9]), fix: text(p[10]),
      satisfied: text(p[11]), ports: text(p[12]), conflict: p[13] === 1, evidence: evidenceOf(run, h, h[7][i]),
    };
  });
}

// evidenceOf unpacks lines of evidence; null where they were left out.
function evidenceOf(run, host, packed) {
  if (packed === 0) return null;
  const out = [];
  for (let i = 0; i < packed.length; i++) {
    const text = run.texts[packed[i]];
    out.push(text.includes("\u0004") ? fill(text, host, packed[++i]) : fill(text, host));
  }
  return out;
}

// select lists the hosts that a filter lets through, and counts the paths of
// them that it names. A host must have one path that fits row, state, class and
// cause together.
function select(run, f) {
  const fits = pathTest(run, f);
  const byShape = run.shapes.map((shape) => shape.reduce((n, p) => n + (fits[p] ? 1 : 0), 0));
  const named = f.row >= 0 || f.profile || f.state || f.cause;
  const text = f.text.trim().toLowerCase(), tag = f.tag.trim().toLowerCase();
  const hosts = [];
  let paths = 0;
  run.hosts.forEach((h, i) => {
    const n = byShape[h[5]];
    if (n === 0 && named) return;
    if (f.class >= 0 && h[4] !== f.class && !(f.class === 0 && (h[4] === 6 || h[4] === 7))) return;
    if (f.net >= 0 && h[2] !== f.net) return;
    if (f.bound >= 0 && h[3] !== f.bound) return;
    if (text && !run.finds[i].includes(text) && !run.tagged[i].includes(text)) return;
    if (tag && !run.tagged[i].includes(tag)) return;
    hosts.push(i);
    paths += n;
  });
  return { hosts, paths, fits };
}

// pathTest tells for each path whether the filter names it.
function pathTest(run, f) {
  const state = run.states.indexOf(f.state);
  return run.paths.map((p) =>
    (f.row < 0 || p[1] === f.row) &&
    (!f.profile || (p[1] >= 0 && run.rows[p[1]].id.startsWith(f.profile + "/"))) &&
    (!f.state || p[2] === state) &&
    (!f.cause || p[4] === f.cause));
}
