"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  // ---- tables: filter, sort, pages; cells are set as text, never as markup
  const PAGE = 25;
  for (const holder of document.querySelectorAll("[data-table]")) {
    const data = read(holder.dataset.table);
    const numeric = new Set(data.numeric);
    const haystack = data.rows.map((row) => row.join("\u0000").toLowerCase());
    const state = { filter: "", sort: -1, ascending: true, page: 0, all: false };
    const body = holder.querySelector("tbody");
    const heads = [];
    const headRow = holder.querySelector("thead").insertRow();
    data.columns.forEach((title, index) => {
      const head = document.createElement("th");
      head.scope = "col";
      if (numeric.has(index)) head.className = "number";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = title;
      button.addEventListener("click", () => {
        state.ascending = state.sort === index ? !state.ascending : !numeric.has(index);
        state.sort = index;
        state.page = 0;
        draw();
      });
      head.append(button);
      headRow.append(head);
      heads.push(head);
    });
    const order = new Intl.Collator("en", { numeric: true });
    const format = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    const [previous, next, every] = holder.querySelectorAll("button[data-do]");
    const count = holder.querySelector(".count");
    function draw() {
      let rows = [...data.rows.keys()].filter((row) => haystack[row].includes(state.filter));
      if (state.sort >= 0) {
        const column = state.sort, sign = state.ascending ? 1 : -1;
        rows.sort((a, b) => {
          const left = data.rows[a][column], right = data.rows[b][column];
          return sign * (numeric.has(column) ? left - right : order.compare(left, right)) || a - b;
        });
      }
      heads.forEach((head, index) => {
        if (index === state.sort) head.setAttribute("aria-sort", state.ascending ? "ascending" : "descending");
        else head.removeAttribute("aria-sort");
      });
      const size = state.all ? Math.max(rows.length, 1) : PAGE;
      const pages = Math.max(1, Math.ceil(rows.length / size));
      state.page = Math.min(state.page, pages - 1);
      const first = state.page * size;
      const shown = rows.slice(first, first + size);
      body.replaceChildren(...shown.map((row) => {
        const line = document.createElement("tr");
        data.rows[row].forEach((value, index) => {
          const cell = document.createElement(index === 0 ? "th" : "td");
          if (index === 0) cell.scope = "row";
          if (numeric.has(index)) cell.className = "number";
          else if (data.columns[index] === "Why") cell.className = "why";
          else if (index) cell.className = "name";
          cell.textContent = numeric.has(index) ? format.format(value) : value;
          if (typeof value === "string" && value.length > 26) cell.title = value;
          line.append(cell);
        });
        return line;
      }));
      count.textContent = rows.length
        ? `${first + 1}\u2013${first + shown.length} of ${rows.length.toLocaleString("en")}`
        : "none";
      previous.disabled = state.page === 0;
      next.disabled = state.page >= pages - 1;
      every.hidden = data.rows.length <= PAGE;
      every.textContent = state.all ? `Show ${PAGE}` : "Show all";
    }
    holder.querySelector("input").addEventListener("input", (event) => {
      state.filter = event.target.value.trim().toLowerCase();
      state.page = 0;
      draw();
    });
    previous.addEventListener("click", () => { state.page -= 1; draw(); });
    next.addEventListener("click", () => { state.page += 1; draw(); });
    every.addEventListener("click", () => { state.all = !state.all; state.page = 0; draw(); });
    // A closed table is drawn when it is opened: a page of 10,000 VMs opens at once.
    const details = holder.closest("details");
    if (details && !details.open) details.addEventListener("toggle", draw, { once: true });
    else draw();
  }

  // ---- charts
  const plots = () => Bokeh.documents.flatMap((page) => page.roots());
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
      // The more windows meet, the farther from the page: on a dark page the ramp is turned round.
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
  ready.then(() => {
    paint(dark.matches);
    dark.addEventListener("change", () => paint(dark.matches));
    // A canvas is printed as it stands, there is no time to repaint it: one drawn for a dark page keeps a dark ground.
    window.addEventListener("beforeprint", () => document.documentElement.classList.toggle("prints-dark", isDarkNow));
    document.documentElement.dataset.charts = "drawn";
  });

  // ---- one VM's load
  const choice = document.getElementById("choose-vm");
  if (choice) {
    const profiles = read("data-profiles");
    const known = (values) => values.map((value) => value ?? NaN);
    const show = (value) => (value === null ? "\u2013" : value.toFixed(1));
    const fill = (profile) => {
      document.getElementById("load-caption").textContent = profile.caption;
      const body = document.querySelector("#load-table tbody");
      body.replaceChildren(...Array.from({ length: 24 }, (_, hour) => {
        const line = document.createElement("tr");
        const head = document.createElement("th");
        head.scope = "row";
        head.textContent = `${String(hour).padStart(2, "0")}:00`;
        line.append(head);
        for (const name of ["cpu", "cpu_p95", "memory", "busy"]) {
          const values = profile[name].slice(hour * 12, hour * 12 + 12).filter((value) => value !== null);
          const worst = name === "busy" || name === "cpu_p95";
          const figure = !values.length ? null
            : worst ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0) / values.length;
          const cell = line.insertCell();
          cell.className = "number";
          cell.textContent = show(figure);
        }
        return line;
      }));
    };
    fill(profiles[0]);
    ready.then(() => choice.addEventListener("change", () => {
      const profile = profiles[choice.selectedIndex];
      fill(profile);
      const page = Bokeh.documents.find((document) => document.get_model_by_name("load"));
      const load = page.get_model_by_name("load");
      load.data = Object.assign(Object.fromEntries(Object.entries(load.data)), {
        cpu: known(profile.cpu), cpu_p95: known(profile.cpu_p95), memory: known(profile.memory), busy: known(profile.busy),
      });
      for (const which of ["today", "plan"]) {
        const windows = profile[`windows_${which}`];
        page.get_model_by_name(`window-${which}`).data = {
          left: windows.map(([begin]) => begin / 60), right: windows.map(([, end]) => end / 60),
        };
      }
    }));
  }
})();
