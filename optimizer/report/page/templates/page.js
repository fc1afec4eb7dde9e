"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const DAY = 1440;
  const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
  const wrap = (value, length) => ((value % length) + length) % length;
  const clock = (minute) =>
    `${String(Math.floor(wrap(minute, DAY) / 60)).padStart(2, "0")}:${String(wrap(minute, DAY) % 60).padStart(2, "0")}`;

  // ---- tables: every row is in the page; this filters, sorts and shows 25 at a time
  const PAGE = 25;
  for (const listing of document.querySelectorAll("[data-listing]")) {
    const table = listing.querySelector("table"), body = table.tBodies[0];
    const original = [...body.rows];
    const state = { filter: "", sort: -1, ascending: true, page: 0, all: false };
    const heads = [...table.tHead.rows[0].cells];
    const numeric = heads.map((head) => head.classList.contains("number"));
    heads.forEach((head, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => {
        state.ascending = state.sort === index ? !state.ascending : !numeric[index];
        state.sort = index;
        state.page = 0;
        draw();
      });
      head.append(button);
    });
    const order = new Intl.Collator("en", { numeric: true });
    const key = (row, column) => {
      const text = row.cells[column].textContent;
      return numeric[column] ? Number(text.replaceAll(",", "")) : text;
    };
    const sorted = () => {
      if (state.sort < 0) return original;
      const sign = state.ascending ? 1 : -1, compare = numeric[state.sort] ? (a, b) => a - b : order.compare;
      return original
        .map((row, index) => [key(row, state.sort), index, row])
        .sort((a, b) => sign * compare(a[0], b[0]) || a[1] - b[1])
        .map(([, , row]) => row);
    };
    const texts = new Map();
    document.addEventListener("zonechange", () => texts.clear());
    const textOf = (row) => {
      if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
      return texts.get(row);
    };
    const [previous, next, every] = listing.querySelectorAll("button[data-do]");
    const count = listing.querySelector(".count"), filtered = listing.querySelector(".filtered");
    function draw() {
      const rows = sorted();
      if (state.sort >= 0) body.append(...rows);
      heads.forEach((head, index) => {
        if (index === state.sort) head.setAttribute("aria-sort", state.ascending ? "ascending" : "descending");
        else head.removeAttribute("aria-sort");
      });
      for (const row of rows) {
        const isHidden = state.filter !== "" && !textOf(row).includes(state.filter);
        if (row.hidden !== isHidden) row.hidden = isHidden;
      }
      const found = rows.filter((row) => !row.hidden);
      const size = state.all ? Math.max(found.length, 1) : PAGE;
      const pages = Math.max(1, Math.ceil(found.length / size));
      state.page = Math.min(state.page, pages - 1);
      const first = state.page * size, end = Math.min(first + size, found.length);
      found.forEach((row, index) => row.classList.toggle("off-page", index < first || index >= end));
      const total = found.length.toLocaleString("en");
      count.textContent = found.length ? `${first + 1}\u2013${end} of ${total}` : "none";
      // Paper shows all rows that the filter lets through.
      filtered.hidden = !state.filter;
      filtered.textContent = `${total} of ${rows.length.toLocaleString("en")} rows, those with \u201c${state.filter}\u201d.`;
      previous.disabled = state.page === 0;
      next.disabled = state.page >= pages - 1;
      for (const button of [previous, next, every]) button.hidden = original.length <= PAGE;
      every.textContent = state.all ? `Show ${PAGE}` : "Show all";
      every.ariaLabel = `${every.textContent} rows of ${table.caption.textContent}`;
    }
    listing.querySelector("input").addEventListener("input", (event) => {
      state.filter = event.target.value.trim().toLowerCase();
      state.page = 0;
      draw();
    });
    previous.addEventListener("click", () => { state.page -= 1; draw(); });
    next.addEventListener("click", () => { state.page += 1; draw(); });
    every.addEventListener("click", () => { state.all = !state.all; state.page = 0; draw(); });
    draw();
    table.classList.add("ready");
  }

  // ---- charts
  const plots = () => Bokeh.documents.flatMap((page) => page.roots());
  const source = (name) =>
    Bokeh.documents.map((page) => page.get_model_by_name(name)).filter((model) => model !== null);
  const change = (model, values) => {
    model.data = { ...Object.fromEntries(Object.entries(model.data)), ...values };
  };
  let isDarkNow = false;
  function paint(isDark) {
    isDarkNow = isDark;
    const text = isDark ? "#b3bcc8" : "#4a5563", grid = isDark ? "#2c343f" : "#e3e7ec";
    for (const model of plots()) {
      for (const axis of [...model.below, ...model.left, ...model.right]) {
        axis.major_label_text_color = text;
        axis.axis_label_text_color = text;
      }
      for (const rule of model.center) if (rule.grid_line_color !== null) rule.grid_line_color = grid;
      for (const renderer of model.renderers) {
        if (renderer.name === "limits") renderer.glyph.line_color = isDark ? "#f29488" : "#b42318";
      }
      const colors = model.document.get_model_by_name("heat-colors");
      // The more windows overlap, the stronger the contrast with the page, so a dark page has the colors reversed.
      if (colors) {
        const ramp = isDark ? heat.dark : heat.light;
        colors.palette = ramp.palette;
        colors.low_color = ramp.single;
      }
    }
  }
  const heat = read("data-heat");
  const charts = read("data-charts");
  const ready = Promise.all(Object.entries(charts).map(([target, item]) => Bokeh.embed.embed_item(item, target)));

  // Bokeh makes its canvases focus stops.  They have no name and do nothing when a key is pressed: the charts are
  // pictures with a name, and their numbers are in the tables below them.
  function withoutFocus(node) {
    for (const stop of node.querySelectorAll("*")) {
      if (stop.tabIndex >= 0) stop.tabIndex = -1;
      if (stop.shadowRoot) withoutFocus(stop.shadowRoot);
    }
  }

  // ---- display time zone: the charts come with UTC hours, which move around the day
  const zones = read("data-zones");
  let offset = zones[0].offset;
  const inUtc = new Map();
  function moveHours(model, columns) {
    if (!inUtc.has(model)) inUtc.set(model, columns.map(([name]) => [...model.data[name]]));
    const hours = inUtc.get(model);
    const moved = Object.fromEntries(columns.map(([name, width], index) =>
      [name, hours[index].map((hour) => wrap(hour + offset / 60 - width, 24) + width)]));
    const begins = inUtc.get(model)[0].map((hour) => clock(Math.floor(hour * 2) * 30 + offset));
    change(model, { ...moved, time: begins });
  }
  function showZone(zone) {
    offset = zone.offset;
    for (const place of document.querySelectorAll("[data-zone]")) place.textContent = zone.name;
    for (const place of document.querySelectorAll("[data-minute]")) {
      const minute = Number(place.dataset.minute) + offset;
      const weekday = "weekday" in place.dataset ? `${WEEKDAYS[wrap(Math.floor(minute / DAY), 7)]} ` : "";
      place.textContent = weekday + clock(minute);
    }
    document.dispatchEvent(new Event("zonechange"));
    const hours = document.querySelector("#hours-table tbody");
    hours.append(...[...hours.rows].sort((a, b) => (a.cells[0].textContent < b.cells[0].textContent ? -1 : 1)));
    for (const model of source("heat")) moveHours(model, [["hour", 0]]);
    for (const model of source("risk")) {
      moveHours(model, [["left_today", 0], ["right_today", 0.22], ["left_plan", 0], ["right_plan", 0.22]]);
    }
  }

  // ---- load of one VM
  const choice = document.getElementById("choose-vm");
  const load = choice ? read("data-load") : null;
  const bytes = load ? Uint8Array.from(atob(load.values), (letter) => letter.charCodeAt(0)) : null;
  function seriesOf(vm) {
    const steps = load.steps, shift = Math.round((offset * steps) / DAY);
    const of = (name) => {
      const begin = (vm * load.series.length + load.series.indexOf(name)) * steps;
      return Array.from({ length: steps }, (_, step) => {
        const value = bytes[begin + wrap(step - shift, steps)];
        return value === load.unknown ? NaN : value / load.scale;
      });
    };
    return Object.fromEntries(load.series.map((name) => [name, of(name)]));
  }
  function windowsOf(begins, minutes) {
    return begins.flatMap((minute) => {
      const begin = wrap(minute + offset, DAY), end = begin + minutes;
      return end > DAY ? [[begin, DAY], [0, end - DAY]] : [[begin, end]];
    });
  }
  function showVm() {
    const vm = Number(choice.value), series = seriesOf(vm), perHour = load.steps / 24;
    document.getElementById("load-caption").textContent = load.captions[vm];
    document.querySelector("#load-table tbody").replaceChildren(...Array.from({ length: 24 }, (_, hour) => {
      const line = document.createElement("tr"), head = document.createElement("th");
      head.scope = "row";
      head.textContent = clock(hour * 60);
      line.append(head);
      for (const name of load.series) {
        const values = series[name].slice(hour * perHour, (hour + 1) * perHour).filter((value) => !Number.isNaN(value));
        const worst = name === "busy" || name === "cpu_p95";
        const figure = worst ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0) / values.length;
        const cell = line.insertCell();
        cell.className = "number";
        cell.textContent = values.length ? figure.toFixed(1) : "\u2013";
      }
      return line;
    }));
    for (const model of source("load")) change(model, series);
    for (const which of ["today", "plan"]) {
      const windows = windowsOf(load[which][vm], load.minutes[vm]);
      for (const model of source(`window-${which}`)) {
        model.data = { left: windows.map(([begin]) => begin / 60), right: windows.map(([, end]) => end / 60) };
      }
    }
  }

  ready.then(() => {
    paint(dark.matches);
    dark.addEventListener("change", () => paint(dark.matches));
    showZone(zones[0]);
    if (choice) {
      showVm();
      choice.addEventListener("change", showVm);
    }
    const zone = document.getElementById("choose-zone");
    zone.addEventListener("change", () => {
      showZone(zones[zone.selectedIndex]);
      if (choice) showVm();
    });
    requestAnimationFrame(() => requestAnimationFrame(() => {
      for (const chart of document.querySelectorAll(".chart")) withoutFocus(chart);
      document.documentElement.dataset.charts = "drawn";
    }));
  });

  // Paper shows everything: closed parts are opened while the page is printed.
  const opened = [];
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      opened.push(details);
    }
    // A canvas is printed as it stands, there is no time to repaint it: one drawn for a dark page keeps a dark ground.
    document.documentElement.classList.toggle("prints-dark", isDarkNow);
  });
  window.addEventListener("afterprint", () => {
    while (opened.length) opened.pop().open = false;
  });
})();
