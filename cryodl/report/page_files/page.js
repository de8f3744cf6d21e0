"use strict";
// The map in three dimensions and its coloured slices, from the bytes in #display.
(() => {
  const held = document.getElementById("display");
  if (!held) return;
  const shown = JSON.parse(held.textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const density = bytes(shown.density);
  const resolution = shown.resolution ? bytes(shown.resolution) : null; // 0: unknown
  const [nx, ny, nz] = shown.size;
  const colours = shown.colours.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));

  const colour = (byte) => {
    const place = ((byte - 1) / 254) * (colours.length - 1);
    const low = Math.min(Math.floor(place), colours.length - 2);
    return colours[low].map((c, i) => c + (place - low) * (colours[low + 1][i] - c));
  };
  const table = Array.from({ length: 256 }, (_, byte) => colour(Math.max(byte, 1)));

  // ------------------------------------------------------------------ slices
  const canvas = document.getElementById("slice");
  const slider = document.getElementById("slider");
  const said = document.getElementById("place");
  const buttons = [...document.querySelectorAll("button[data-axis]")];
  const axes = { z: [nz, nx, ny], y: [ny, nx, nz], x: [nx, ny, nz] }; // planes, columns, rows
  let axis = "z";
  const index = { z: (k, c, r) => (k * ny + r) * nx + c, y: (k, c, r) => (r * ny + k) * nx + c,
    x: (k, c, r) => (r * ny + c) * nx + k };

  function drawSlice() {
    const [planes, columns, rows] = axes[axis];
    const at = Number(slider.value);
    const small = document.createElement("canvas");
    small.width = columns; small.height = rows;
    const brush = small.getContext("2d");
    const picture = brush.createImageData(columns, rows);
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
      const i = index[axis](at, c, r);
      const out = 4 * ((rows - 1 - r) * columns + c); // y and z point up
      const ink = 255 - density[i];
      const known = resolution && resolution[i] && density[i] > shown.faint;
      for (let k = 0; k < 3; k++)
        picture.data[out + k] = known ? table[resolution[i]][k] * (0.45 + 0.55 * density[i] / 255) : ink;
      picture.data[out + 3] = 255;
    }
    brush.putImageData(picture, 0, 0);
    const edge = canvas.width, scale = edge / Math.max(columns, rows);
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#fff"; pen.fillRect(0, 0, edge, edge);
    pen.imageSmoothingEnabled = true; pen.imageSmoothingQuality = "high";
    pen.drawImage(small, (edge - scale * columns) / 2, (edge - scale * rows) / 2, scale * columns, scale * rows);
    const where = shown.origin["xyz".indexOf(axis)] + at * shown.step;
    said.textContent = `${axis} = ${where.toFixed(1)} Å`;
    slider.setAttribute("aria-valuetext", said.textContent);
  }
  function choose(name) {
    axis = name;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.axis === name));
    slider.max = axes[name][0] - 1;
    slider.value = Math.floor(axes[name][0] / 2);
    drawSlice();
  }
  for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.axis));
  slider.addEventListener("input", drawSlice);
  choose("z");

  // ------------------------------------------------------------------ three dimensions
  const view = document.getElementById("view");
  const give_up = () => document.body.classList.add("no-view");
  try {
    const probe = document.createElement("canvas").getContext("webgl2");
    if (!probe) return give_up();
    const stage = new NGL.Stage(view, { backgroundColor: "white", tooltip: false, quality: "medium" });
    const place = new NGL.Matrix4();
    place.makeScale(shown.step, shown.step, shown.step);
    place.setPosition(...shown.origin);
    const volume = (name, values) => {
      const made = new NGL.Volume(name, "", Float32Array.from(values), nx, ny, nz);
      made.setMatrix(place);
      return made;
    };
    const filled = shown.filled ? bytes(shown.filled) : null; // known, and a few voxels around
    const near = filled ? density.map((value, i) => (filled[i] ? value : 0)) : density;
    const map = stage.addComponentFromObject(volume("map", near));
    const style = { isolevelType: "value", isolevel: shown.level, useWorker: false, smooth: 1,
      roughness: 0.8, metalness: 0.0, opaqueBack: false };
    const painted = filled
      ? { colorScheme: "volume", colorVolume: volume("resolution", filled),
          colorScale: shown.colours.map((hex) => parseInt(hex.slice(1), 16)), colorDomain: [1, 255] }
      : { color: "#7fa6c9" };
    const surface = map.addRepresentation("surface", { ...style, ...painted });
    if (shown.model) {
      stage.loadFile(new Blob([shown.model], { type: "text/plain" }), { ext: "pdb" }).then((model) => {
        model.addRepresentation("cartoon", { color: "#333333" });
        model.addRepresentation("licorice", { sele: "hetero and not water", color: "#333333" });
        surface.setParameters({ opacity: 0.6 });
      }).catch(() => {});
    }
    map.autoView();
    stage.viewerControls.spin(new NGL.Vector3(0, 1, 0), Math.PI); // x to the right, as the slices
    new ResizeObserver(() => stage.handleResize()).observe(view);
    const turn = { ArrowLeft: [0, -0.1], ArrowRight: [0, 0.1], ArrowUp: [-0.1, 0], ArrowDown: [0.1, 0] };
    view.addEventListener("keydown", (event) => {
      const by = turn[event.key];
      if (!by) return;
      event.preventDefault();
      if (by[1]) stage.viewerControls.spin(new NGL.Vector3(0, 1, 0), by[1]);
      if (by[0]) stage.viewerControls.spin(new NGL.Vector3(1, 0, 0), by[0]);
    });
    window.stage = stage;
  } catch (error) {
    give_up();
  }
})();
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", () => {
    const text = document.getElementById(button.dataset.copy);
    const range = document.createRange();
    range.selectNodeContents(text);
    const chosen = getSelection();
    chosen.removeAllRanges();
    chosen.addRange(range);
    if (navigator.clipboard) navigator.clipboard.writeText(text.textContent).catch(() => {});
    button.textContent = "copied";
  });
}
