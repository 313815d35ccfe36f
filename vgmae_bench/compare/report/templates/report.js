"use strict";
// Players: frames and tracks lie as JSON in each article; everything is drawn on its canvas.

const SUBPIXELS = 16, NOWHERE = -32768; // as packs.py keeps positions
const TRAIL = 8; // frames
const COLOURS = { first: "#e69f00", second: "#56b4e9" };

function bytes(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** Positions [point][frame] in pixels of the metric raster, and visibility, from little-endian int16 pairs and bytes. */
function decode(tracks, frames) {
  const raw = new DataView(bytes(tracks.xy).buffer), visible = bytes(tracks.visible);
  return {
    at(point, frame) {
      const place = 4 * (point * frames + frame);
      const x = raw.getInt16(place, true), y = raw.getInt16(place + 2, true);
      return x === NOWHERE || y === NOWHERE ? null : [x / SUBPIXELS, y / SUBPIXELS];
    },
    seen: (point, frame) => visible[point * frames + frame] === 1,
  };
}

class Player {
  constructor(article) {
    const find = (selector) => article.querySelector(selector);
    const pack = JSON.parse(find("script").textContent);
    this.pack = pack;
    this.count = pack.frames.length;
    this.truth = decode(pack.truth, this.count);
    this.methods = pack.methods.map((method) => ({ name: method.name, tracks: decode(method, this.count) }));
    this.canvas = find("canvas");
    this.slider = find(".time");
    this.playing = null;
    this.alone = null; // the one point that is shown, or null
    this.layers = Object.fromEntries([...article.querySelectorAll("[data-layer]")].map((box) => [box.dataset.layer, box]));
    this.selects = { first: find("select.first"), second: find("select.second") };
    this.scores = [...article.querySelectorAll(".scores [data-method]")];
    this.boxes = [...article.querySelectorAll("fieldset input")];
    this.parts = { play: find(".play"), frame: find(".frame"), readout: find(".readout"), points: find(".count") };
    this.images = pack.jpegs.map((jpeg) => {
      const image = new Image();
      image.onload = () => this.draw();
      image.src = "data:image/jpeg;base64," + jpeg;
      return image;
    });
    this.listen(article);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.draw();
  }

  get frame() { return Number(this.slider.value); }

  listen(article) {
    for (const kind of ["input", "change"]) article.addEventListener(kind, () => this.draw());
    article.addEventListener("keydown", (event) => this.key(event));
    this.slider.addEventListener("input", () => this.pause());
    this.parts.play.addEventListener("click", () => this.toggle());
    this.canvas.addEventListener("click", (event) => this.pick(event));
    for (const button of article.querySelectorAll("[data-points]")) {
      button.addEventListener("click", () => this.choose(button.dataset.points));
    }
    article.querySelector("fieldset").addEventListener("input", () => { this.alone = null; this.draw(); });
  }

  key(event) {
    const target = event.target, typing = target.matches("select, summary, input[type=checkbox], button");
    if (event.ctrlKey || event.metaKey || event.altKey || target.matches("select")) return;
    const onSlider = target === this.slider, key = event.key.toLowerCase();
    const layer = { g: "truth", a: "first", b: "second", t: "trails", e: "errors" }[key];
    if (key === " " && !typing) this.toggle();
    else if (key === "arrowleft" && !onSlider) this.go(this.frame - 1);
    else if (key === "arrowright" && !onSlider) this.go(this.frame + 1);
    else if (key === "home" && !onSlider) this.go(0);
    else if (key === "end" && !onSlider) this.go(this.count - 1);
    else if (key === "[") this.next("first");
    else if (key === "]") this.next("second");
    else if (key === "n") this.step(1);
    else if (key === "p") this.step(-1);
    else if (key === "escape") this.choose("all");
    else if (layer && this.layers[layer]) { this.layers[layer].checked = !this.layers[layer].checked; this.draw(); }
    else return;
    event.preventDefault();
  }

  /** Show the next method that the filter lets through in the first or second place. */
  next(slot) {
    const select = this.selects[slot];
    if (!select) return;
    const options = [...select.options].filter((option) => !option.disabled);
    const place = options.indexOf(select.selectedOptions[0]);
    if (options.length) select.value = options[(place + 1) % options.length].value;
    this.draw();
  }

  /** Offer only methods whose names contain the text; what is shown follows. Returns how many there are. */
  filter(text) {
    const fits = (name) => name.toLowerCase().includes(text.toLowerCase());
    let number = 0;
    Object.values(this.selects).filter(Boolean).forEach((select, slot) => {
      const options = [...select.options];
      for (const option of options) option.hidden = option.disabled = !fits(option.textContent);
      const offered = options.filter((option) => !option.disabled);
      number = offered.length;
      if (select.selectedOptions[0]?.disabled && offered.length) select.value = offered[Math.min(slot, offered.length - 1)].value;
    });
    for (const score of this.scores) score.hidden = !fits(score.dataset.method);
    this.draw();
    return number;
  }

  go(frame) {
    this.pause();
    this.slider.value = Math.max(0, Math.min(this.count - 1, frame));
    this.draw();
  }

  toggle() {
    if (this.playing !== null) return this.pause();
    if (this.frame === this.count - 1) this.slider.value = 0;
    const stride = this.count > 1 ? this.pack.frames[1] - this.pack.frames[0] : 1;
    this.playing = setInterval(() => {
      this.slider.value = (this.frame + 1) % this.count;
      this.draw();
    }, (1000 * stride) / (this.pack.fps || 12));
    this.parts.play.textContent = "Pause";
    this.draw();
  }

  pause() {
    clearInterval(this.playing);
    this.playing = null;
    this.parts.play.textContent = "Play";
  }

  /** Show all points, none, or those on which the first method errs most. */
  choose(which) {
    this.alone = null;
    const worst = which === "worst" ? new Set(this.worst(8)) : null;
    this.boxes.forEach((box, point) => { box.checked = worst ? worst.has(point) : which === "all"; });
    this.draw();
  }

  step(by) {
    const number = this.boxes.length;
    this.alone = this.alone === null ? (by > 0 ? 0 : number - 1) : (this.alone + by + number) % number;
    this.draw();
  }

  /** A click on a point shows it alone; the next click shows all that are switched on again. */
  pick(event) {
    const box = this.canvas.getBoundingClientRect(), [width, height] = this.pack.raster;
    const scale = [box.width / width, box.height / height], layers = [this.truth, ...this.shown().map(([, m]) => m.tracks)];
    let nearest = null, least = 16;
    for (const point of this.points()) {
      for (const tracks of layers) {
        const place = this.asked(point, this.frame) ? tracks.at(point, this.frame) : null;
        if (!place) continue;
        const away = Math.hypot(box.left + place[0] * scale[0] - event.clientX, box.top + place[1] * scale[1] - event.clientY);
        if (away < least) { nearest = point; least = away; }
      }
    }
    this.alone = this.alone === null ? nearest : null;
    this.draw();
  }

  points() {
    if (this.alone !== null) return [this.alone];
    return this.boxes.map((box, point) => (box.checked ? point : -1)).filter((point) => point >= 0);
  }

  /** Whether anything is asked about a point in a frame: with queries at first sight, nothing before the query. */
  asked(point, frame) {
    return !this.pack.forward || this.pack.frames[frame] >= this.pack.query_frame[point];
  }

  /** The methods that are switched on: [slot, method]. */
  shown() {
    return ["first", "second"]
      .filter((slot) => this.selects[slot] && this.layers[slot].checked)
      .map((slot) => [slot, this.methods[this.selects[slot].value]]);
  }

  error(tracks, point, frame) {
    const truth = this.truth.at(point, frame), place = tracks.at(point, frame);
    if (!truth || !this.truth.seen(point, frame) || !this.asked(point, frame)) return null;
    return place ? Math.hypot(place[0] - truth[0], place[1] - truth[1]) : Infinity;
  }

  worst(number) {
    const { tracks } = this.methods[this.selects.first.value];
    const mean = (point) => {
      const errors = this.pack.frames.map((_, frame) => this.error(tracks, point, frame)).filter((error) => error !== null);
      return errors.length ? errors.reduce((sum, error) => sum + error, 0) / errors.length : -1;
    };
    return this.boxes.map((_, point) => [mean(point), point]).sort((a, b) => b[0] - a[0]).slice(0, number).map((pair) => pair[1]);
  }

  draw() {
    const { pack, canvas, frame } = this, [width, height] = pack.shape;
    const wide = canvas.clientWidth, high = (wide * height) / width, dense = window.devicePixelRatio || 1;
    if (!wide) return; // in a closed part of the page
    canvas.width = Math.round(wide * dense);
    canvas.height = Math.round(high * dense);
    const pen = canvas.getContext("2d");
    pen.scale(dense, dense);
    const image = this.images[frame];
    if (image.complete && image.naturalWidth) pen.drawImage(image, 0, 0, wide, high);
    const to = ([x, y]) => [(x * wide) / pack.raster[0], (y * high) / pack.raster[1]];
    const points = this.points(), size = Math.max(3, wide / 130);
    const layers = this.shown().map(([slot, method]) => ({ ...method, slot, colour: COLOURS[slot] }));
    if (this.layers.truth.checked) layers.unshift({ tracks: this.truth, slot: "truth", colour: "#fff" });
    if (this.layers.trails.checked) for (const layer of layers) this.trails(pen, layer, points, to);
    if (this.layers.errors.checked) for (const layer of layers) this.lines(pen, layer, points, to);
    for (const layer of layers) {
      for (const point of points) {
        const place = this.asked(point, frame) ? layer.tracks.at(point, frame) : null;
        if (place) mark(pen, layer, to(place), size, layer.tracks.seen(point, frame));
      }
    }
    this.tell(points);
  }

  trails(pen, { tracks, colour }, points, to) {
    const from = this.alone === null ? Math.max(0, this.frame - TRAIL) : 0; // alone, a point shows its whole past
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5;
    pen.globalAlpha = 0.8;
    pen.beginPath();
    for (const point of points) {
      let down = false;
      for (let frame = from; frame <= this.frame; frame++) {
        const place = this.asked(point, frame) ? tracks.at(point, frame) : null;
        if (place) down ? pen.lineTo(...to(place)) : pen.moveTo(...to(place));
        down = place !== null;
      }
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }

  /** From where visible points are to where a method sees them. */
  lines(pen, { tracks, slot, colour }, points, to) {
    if (slot === "truth") return;
    for (const [ink, thick] of [["#000", 3], [colour, 1.5]]) {
      pen.strokeStyle = ink;
      pen.lineWidth = thick;
      pen.beginPath();
      for (const point of points) {
        const error = this.error(tracks, point, this.frame);
        if (error === null || error === Infinity) continue;
        pen.moveTo(...to(this.truth.at(point, this.frame)));
        pen.lineTo(...to(tracks.at(point, this.frame)));
      }
      pen.stroke();
    }
  }

  tell(points) {
    const { pack, frame, parts } = this, number = pack.frames[frame] + 1;
    parts.frame.textContent = `${number} / ${pack.num_frames}`;
    this.slider.setAttribute("aria-valuetext", `frame ${number} of ${pack.num_frames}`);
    parts.points.textContent =
      this.alone === null ? `${points.length} of ${this.boxes.length}` : `only ${pack.labels[this.alone]}`;
    const asked = points.filter((point) => this.asked(point, frame) && this.truth.at(point, frame));
    const lines = this.shown().map(([, { name, tracks }]) => {
      const errors = asked.map((point) => this.error(tracks, point, frame)).filter((error) => error !== null);
      const right = asked.filter((point) => tracks.seen(point, frame) === this.truth.seen(point, frame)).length;
      const mean = errors.length ? (errors.reduce((sum, error) => sum + error, 0) / errors.length).toFixed(1) + " px" : "–";
      return `${name}: error ${mean} on ${errors.length} visible points; visibility right on ${right} of ${asked.length}`;
    });
    parts.readout.textContent = lines.join("\n");
  }
}

/** A ring for the truth (dashed: hidden), a disc for the first method and a square for the second (hollow: called hidden). */
function mark(pen, { slot, colour }, [x, y], size, visible) {
  const ring = slot === "truth";
  pen.beginPath();
  if (slot === "second") pen.rect(x - size, y - size, 2 * size, 2 * size);
  else pen.arc(x, y, ring ? size * 1.6 : size, 0, 2 * Math.PI);
  if (visible && !ring) {
    pen.fillStyle = colour;
    pen.fill();
  }
  if (ring && !visible) pen.setLineDash([3, 3]);
  for (const [ink, thick] of visible && !ring ? [["#000", 1.2]] : [["#000", 3.4], [colour, 1.7]]) {
    pen.strokeStyle = ink;
    pen.lineWidth = thick;
    pen.stroke();
  }
  pen.setLineDash([]);
}

/** The first number in a cell, or its text; undefined for cells without a value, which come last. */
function value(cell) {
  const text = cell.textContent.trim();
  if (text === "" || text.startsWith("–")) return undefined;
  const number = cell.classList.contains("number") ? parseFloat(text) : NaN;
  return Number.isNaN(number) ? text.toLowerCase() : number;
}

/** A click on a column's name sorts each part of the table by it: names from A, numbers from the largest, then the reverse. */
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort"), first = head.classList.contains("number") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = now === first ? other : first, sign = order === "ascending" ? 1 : -1;
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      for (const body of table.tBodies) {
        const rows = [...body.rows].map((row) => [value(row.cells[column]), row]);
        rows.sort(([a], [b]) => {
          if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
          return sign * (typeof a === typeof b ? (a > b) - (a < b) : (typeof a === "string") - (typeof b === "string"));
        });
        body.append(...rows.map((pair) => pair[1]));
      }
    });
  });
}

/** Figures open in a dialog, where the arrow keys go to their neighbours and Escape closes. */
function enlargeable(dialog) {
  const buttons = [...document.querySelectorAll(".enlarge")], large = dialog.querySelector("img");
  let place = 0;
  const show = (number) => {
    place = (number + buttons.length) % buttons.length;
    const image = buttons[place].querySelector("img");
    large.src = image.src;
    large.alt = image.alt;
  };
  buttons.forEach((button, number) => button.addEventListener("click", () => { show(number); dialog.showModal(); }));
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(place - 1);
    else if (event.key === "ArrowRight") show(place + 1);
  });
  dialog.addEventListener("click", (event) => {
    const step = event.target.dataset?.step;
    if (event.target === dialog || step === "0") dialog.close();
    else if (step) show(place + Number(step));
  });
  dialog.addEventListener("close", () => buttons[place].focus());
}

document.querySelectorAll("table.sortable").forEach(sortable);
enlargeable(document.querySelector("dialog.large"));
for (const section of document.querySelectorAll("main > section")) {
  const players = [...section.querySelectorAll(".player")].map((article) => new Player(article));
  const box = section.querySelector(".filter");
  box?.addEventListener("input", () => {
    const numbers = players.map((player) => player.filter(box.value.trim()));
    section.querySelector(".filtered").textContent = box.value.trim() ? `${Math.max(0, ...numbers)} of ${players[0]?.methods.length ?? 0}` : "";
  });
}
