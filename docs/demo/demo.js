// Finds rocks in the browser as `tools/predict.py --mode whole` does: the picture resized by area, the network, its map
// enlarged to the picture's size, the threshold, connected areas. Nothing is sent anywhere.
import * as ort from './onnxruntime/ort.wasm.min.mjs';

const MOST_MEGABYTES = 20;
const MOST_MEGAPIXELS = 40;
// of the picture that is shown
const LONGEST = 1600;
// steps of a probability, as Python keeps a map
const STEPS = 65535;
// rows of a picture that are read at a time: a phone has no canvas for all of a large one
const STRIP = 64;
const COLUMNS = ['number', 'area', 'left', 'top', 'width', 'height', 'probability'];

// A mistake that the visitor can mend: its message is a sentence for the page.
class Mistake extends Error {}

// ---- before the network ----

// Read a file as an upright picture, without its colour profile, as Python reads it.
async function readPicture(file) {
  if (file.size > MOST_MEGABYTES * 2 ** 20) {
    const size = (file.size / 2 ** 20).toFixed(1);
    throw new Mistake(`${file.name} has ${size} MB, and ${MOST_MEGABYTES} are the most here: shrink it.`);
  }
  let picture;
  try {
    picture = await createImageBitmap(file, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  } catch {
    throw new Mistake(`${file.name} cannot be read as an image: choose a JPEG, PNG or WebP file.`);
  }
  const { width, height } = picture;
  if (width * height > MOST_MEGAPIXELS * 1e6) {
    picture.close();
    throw new Mistake(`${file.name} has ${width}x${height} pixels, and ${MOST_MEGAPIXELS} million are the most here: shrink it.`);
  }
  // a canvas keeps the upper 8 bits: 10 to 14 bits in a file of 16 would be nearly black, and Python brightens them
  if (await hasSixteenBits(file) && brightest(picture) < 64) {
    picture.close();
    throw new Mistake(`${file.name} has 16 bits and uses 14 of them at most: save it with 8, or use tools/predict.py.`);
  }
  return picture;
}

async function hasSixteenBits(file) {
  const head = new Uint8Array(await file.slice(0, 25).arrayBuffer());
  return String.fromCharCode(...head.slice(1, 4)) === 'PNG' && head[24] === 16;
}

// The brightest value of any colour, 0 to 255.
function brightest(picture) {
  const { width, height } = picture;
  const canvas = new OffscreenCanvas(width, Math.min(STRIP, height));
  const context = canvas.getContext('2d', { willReadFrequently: true });
  let most = 0;
  for (let top = 0; top < height; top += STRIP) {
    const count = Math.min(STRIP, height - top);
    context.drawImage(picture, 0, top, width, count, 0, 0, width, count);
    context.getImageData(0, 0, width, count).data.forEach((value, i) => { if (i % 4 < 3 && value > most) most = value; });
  }
  return most;
}

// For each pixel of a side of `from` pixels: which of `to` pixels get it, [number, share] each; OpenCV's INTER_AREA, which
// enlarges linearly.
function sharesOfSide(from, to, shrinks) {
  const shares = Array.from({ length: from }, () => []);
  const scale = from / to;
  for (let i = 0; i < to; i++) {
    if (shrinks) {
      const begin = i * scale;
      const end = Math.min((i + 1) * scale, from);
      for (let x = Math.floor(begin); x < end; x++) {
        shares[x].push([i, (Math.min(x + 1, end) - Math.max(x, begin)) / scale]);
      }
    } else {
      const x = Math.floor(i * scale);
      let share = i + 1 - (x + 1) / scale;
      share = share <= 0 ? 0 : share - Math.floor(share);
      shares[x].push([i, 1 - share]);
      shares[Math.min(x + 1, from - 1)].push([i, share]);
    }
  }
  return shares;
}

// Bring a picture to a size: RGB, (rows, columns, 3).
function resized(picture, columns, rows) {
  const { width, height } = picture;
  const shrinks = width >= columns && height >= rows;
  const across = sharesOfSide(width, columns, shrinks);
  const down = sharesOfSide(height, rows, shrinks);
  const canvas = new OffscreenCanvas(width, Math.min(STRIP, height));
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const sums = new Float64Array(rows * columns * 3);
  for (let top = 0; top < height; top += STRIP) {
    const count = Math.min(STRIP, height - top);
    context.clearRect(0, 0, width, count);
    context.drawImage(picture, 0, top, width, count, 0, 0, width, count);
    const pixels = context.getImageData(0, 0, width, count).data;
    for (let y = 0; y < count; y++) {
      const line = new Float64Array(columns * 3);
      for (let x = 0, at = y * width * 4; x < width; x++, at += 4) {
        for (const [column, share] of across[x]) {
          line[3 * column] += share * pixels[at];
          line[3 * column + 1] += share * pixels[at + 1];
          line[3 * column + 2] += share * pixels[at + 2];
        }
      }
      for (const [row, share] of down[top + y]) {
        for (let i = 0, at = row * columns * 3; i < line.length; i++, at++) sums[at] += share * line[i];
      }
    }
  }
  return Uint8Array.from(sums, Math.round);
}

// ---- behind the network ----

// Give the rows of a map, enlarged linearly to a width and height, one after the other.
function* enlargedRows({ values, columns, rows }, width, height) {
  // the middle of a pixel is the middle of the other
  const placed = (i, from, to) => {
    const place = Math.min(Math.max((i + 0.5) * (from / to) - 0.5, 0), from - 1);
    const first = Math.floor(place);
    return [first, Math.min(first + 1, from - 1), place - first];
  };
  const across = Array.from({ length: width }, (_, x) => placed(x, columns, width));
  const line = new Float32Array(columns);
  const row = new Float32Array(width);
  for (let y = 0; y < height; y++) {
    const [above, below, share] = placed(y, rows, height);
    for (let x = 0; x < columns; x++) {
      line[x] = (values[above * columns + x] * (1 - share) + values[below * columns + x] * share) / STEPS;
    }
    for (let x = 0; x < width; x++) {
      const [left, right, part] = across[x];
      row[x] = line[left] * (1 - part) + line[right] * part;
    }
    yield row;
  }
}

// Decide each pixel, and list the connected areas (8 neighbours) from top to bottom.
function findRocks(map, width, height, threshold) {
  const mask = new Uint8Array(width * height);
  const parts = [];
  const rootOf = (part) => {
    while (part.parent !== part) part = part.parent = part.parent.parent;
    return part;
  };
  let before = [];
  let y = 0;
  for (const row of enlargedRows(map, width, height)) {
    const runs = [];
    for (let x = 0; x < width; x++) {
      if (!(row[x] > threshold)) continue;
      const run = { left: x, top: y, bottom: y, area: 0, sumX: 0, sumY: 0, sum: 0 };
      for (; x < width && row[x] > threshold; x++) {
        mask[y * width + x] = 255;
        run.area += 1;
        run.sumX += x;
        run.sumY += y;
        run.sum += row[x];
      }
      run.right = x - 1;
      run.parent = run;
      for (const other of before) {
        if (other.left <= run.right + 1 && other.right >= run.left - 1) {
          // the older part keeps the rock, so that its number is its first row's
          const [a, b] = [rootOf(other), rootOf(run)];
          if (a.number < (b.number ?? Infinity)) b.parent = a;
          else a.parent = b;
        }
      }
      run.number = parts.push(run);
      runs.push(run);
    }
    before = runs;
    y += 1;
  }
  const rocks = new Map();
  for (const part of parts) {
    const root = rootOf(part);
    const rock = rocks.get(root);
    if (!rock) {
      rocks.set(root, { ...part });
      continue;
    }
    for (const key of ['area', 'sumX', 'sumY', 'sum']) rock[key] += part[key];
    for (const key of ['left', 'top']) rock[key] = Math.min(rock[key], part[key]);
    for (const key of ['right', 'bottom']) rock[key] = Math.max(rock[key], part[key]);
  }
  const list = [...rocks.values()].map(({ left, top, right, bottom, area, sumX, sumY, sum }, i) => ({
    number: i + 1,
    area,
    left,
    top,
    width: right - left + 1,
    height: bottom - top + 1,
    centreX: +(sumX / area).toFixed(2),
    centreY: +(sumY / area).toFixed(2),
    probability: +(sum / area).toFixed(4),
    touches: +(left === 0 || top === 0 || right === width - 1 || bottom === height - 1),
  }));
  return { mask, rocks: list };
}

// ---- files ----

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

// Write a grey PNG file: a canvas would store four channels.
async function greyPng(pixels, width, height) {
  const lines = new Uint8Array((width + 1) * height);
  for (let y = 0; y < height; y++) {
    lines.set(pixels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  }
  const packed = new Blob([lines]).stream().pipeThrough(new CompressionStream('deflate'));
  const chunk = (name, data) => {
    const bytes = new Uint8Array(data.length + 12);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, data.length);
    bytes.set(new TextEncoder().encode(name), 4);
    bytes.set(data, 8);
    let crc = 0xffffffff;
    for (const byte of bytes.subarray(4, -4)) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
    view.setUint32(data.length + 8, ~crc >>> 0);
    return bytes;
  };
  const head = new DataView(new ArrayBuffer(13));
  head.setUint32(0, width);
  head.setUint32(4, height);
  head.setUint8(8, 8);
  const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  const chunks = [chunk('IHDR', new Uint8Array(head.buffer)), chunk('IDAT', data), chunk('IEND', new Uint8Array())];
  return new Blob([signature, ...chunks], { type: 'image/png' });
}

// The columns of tools/predict.py's rocks.csv.
function csv(name, label, rocks) {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const heads = 'picture,number,class,area,left,top,width,height,centre_x,centre_y,probability,touches_border';
  const lines = rocks.map((r) =>
    [
      quoted(name), r.number, quoted(label), r.area, r.left, r.top, r.width, r.height, r.centreX, r.centreY, r.probability,
      r.touches,
    ].join(),
  );
  return new Blob([heads, ...lines].map((line) => `${line}\r\n`), { type: 'text/csv' });
}

function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // the browser has taken it by then
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// ---- the page ----

const element = (id) => document.getElementById(id);
let session, card;
// the photograph that is shown: name, size, small picture, map
let current = null;
// its mask and rocks at the chosen threshold
let answer = null;
// number of the latest photograph: an older one that is still being read is dropped
let latest = 0;

function tell(text, mistake = false) {
  element('status').textContent = text;
  element('status').classList.toggle('mistake', mistake);
}

async function load() {
  // several threads would need headers that GitHub Pages does not send
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL('onnxruntime/', import.meta.url).href;
  ort.env.logLevel = 'error';
  try {
    const get = async (name) => {
      const response = await fetch(new URL(name, import.meta.url));
      if (!response.ok) throw new Error(`${name}: ${response.status}`);
      return response;
    };
    const [found, bytes] = await Promise.all([
      get('model.json').then((response) => response.json()),
      get('model.onnx').then((response) => response.arrayBuffer()),
    ]);
    const options = { executionProviders: ['wasm'], logSeverityLevel: 3 };
    return [await ort.InferenceSession.create(bytes, options), found];
  } catch (error) {
    tell(`The model cannot be loaded (${error.message}): reload the page, or use a newer browser.`, true);
    throw error;
  }
}

// Let the network look at a photograph.
async function look(file) {
  const turn = (latest += 1);
  tell(`Looking at ${file.name} ...`);
  try {
    const picture = await readPicture(file);
    if (turn !== latest) return picture.close();
    const [columns, rows] = card.size;
    const seen = new ort.Tensor('uint8', resized(picture, columns, rows), [1, rows, columns, 3]);
    const found = await session.run({ [session.inputNames[0]]: seen });
    const values = found[session.outputNames[0]].data.map((p) => Math.round(p * STEPS));
    if (turn !== latest) return picture.close();
    const { width, height } = picture;
    current = { name: file.name, width, height, small: shrunk(picture), map: { values, columns, rows } };
    picture.close();
    decide();
  } catch (error) {
    if (turn !== latest) return;
    tell(error instanceof Mistake ? error.message : `${file.name} cannot be computed (${error.message}): shrink it.`, true);
    if (!(error instanceof Mistake)) throw error;
  }
}

function shrunk(picture) {
  const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
  const size = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = new OffscreenCanvas(...size);
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(picture, 0, 0, ...size);
  return canvas;
}

// A licence's sentence; each Creative Commons licence in it is a link to its text.
function linked(licence) {
  return licence.split(/(CC BY[A-Z-]* \d\.\d)/).map((part, i) => {
    if (i % 2 === 0) return part;
    const [, kind, version] = part.split(' ');
    const link = document.createElement('a');
    link.href = `https://creativecommons.org/licenses/${kind.toLowerCase()}/${version}/`;
    link.textContent = part;
    return link;
  });
}

// Outline and list the rocks at the threshold.
function decide() {
  const threshold = Number(element('threshold').value);
  element('certain').textContent = threshold.toFixed(2);
  if (!current) return;
  answer = findRocks(current.map, current.width, current.height, threshold);
  const { rocks } = answer;
  const count = `${rocks.length} rock${rocks.length === 1 ? '' : 's'}`;
  draw(threshold);
  element('picture').setAttribute('aria-label', `${current.name} with ${count} outlined`);
  element('rocks').replaceChildren(
    ...rocks.map((rock) => {
      const row = document.createElement('tr');
      for (const column of COLUMNS) row.insertCell().textContent = rock[column];
      return row;
    }),
  );
  for (const id of ['mask', 'overlay', 'csv']) element(id).disabled = false;
  tell(count);
}

function draw(threshold) {
  const { small, map } = current;
  const { width, height } = small;
  const canvas = element('picture');
  Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d');
  context.drawImage(small, 0, 0);
  // the edges between rock and ground
  const lines = new Path2D();
  let above = new Uint8Array(width);
  let y = 0;
  for (const row of enlargedRows(map, width, height)) {
    const inside = Uint8Array.from(row, (p) => p > threshold);
    for (let x = 0; x < width; x++) {
      if (y && inside[x] !== above[x]) {
        lines.moveTo(x, y);
        lines.lineTo(x + 1, y);
      }
      if (x && inside[x] !== inside[x - 1]) {
        lines.moveTo(x, y);
        lines.lineTo(x, y + 1);
      }
    }
    above = inside;
    y += 1;
  }
  context.lineCap = 'round';
  const thickness = Math.max(2, Math.round(Math.max(width, height) / 250));
  // on a dark rim, to be seen on bright ground too
  for (const [colour, wide] of [['black', thickness + 2], [`rgb(${card.palette[1]})`, thickness]]) {
    context.strokeStyle = colour;
    context.lineWidth = wide;
    context.stroke(lines);
  }
}

element('photograph').addEventListener('change', (event) => {
  const [file] = event.target.files;
  // the same file can be chosen again
  event.target.value = '';
  if (file) look(file);
});
for (const [i, button] of [...element('scenes').children].entries()) {
  const { src } = button.firstElementChild;
  // fetched now: it is there when the network is gone
  const scene = fetch(src).then((response) => response.blob());
  button.addEventListener('click', async () => look(new File([await scene], `scene${i + 1}.jpg`)));
}
let waiting = 0;
element('threshold').addEventListener('input', () => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(decide);
});
for (const name of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    element('drop').classList.toggle('over', name === 'dragenter' || name === 'dragover');
    const file = name === 'drop' && event.dataTransfer.files[0];
    if (file && session) look(file);
  });
}
const stem = () => current.name.replace(/\.[^.]*$/, '');
element('mask').addEventListener('click', async () =>
  save(await greyPng(answer.mask, current.width, current.height), `${stem()}_mask.png`),
);
element('overlay').addEventListener('click', () =>
  element('picture').toBlob((blob) => save(blob, `${stem()}_overlay.jpg`), 'image/jpeg', 0.9),
);
element('csv').addEventListener('click', () =>
  save(csv(current.name, card.classes[1], answer.rocks), `${stem()}_rocks.csv`),
);

[session, card] = await load();
element('threshold').value = card.threshold;
decide();
const [name, digest] = card.source.split(' ');
element('model').textContent = `Model: ${name} ${digest.slice(0, 8)}. Licence of its weights: `;
element('model').append(...linked(card.licence || 'not stated'), '.');
for (const input of document.querySelectorAll('#photograph, #scenes button')) input.disabled = false;
tell('Drop a photograph, or choose a scene.');
