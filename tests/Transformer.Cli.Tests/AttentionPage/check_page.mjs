// Opens a page of `attention-map --html` in headless Chromium, moves a real pointer and presses
// real keys, and checks what the page shows. Needs Node and Chromium alone:
//   node check_page.mjs PAGE.html [SCREENSHOT_PREFIX]
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import assert from "node:assert/strict";

const [file, pictures] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), "attention-page-"));
const browser = spawn(process.env.CHROMIUM ?? "chromium",
  ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
    `--user-data-dir=${profile}`, "--window-size=1200,1000", "about:blank"],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });

// The DevTools protocol over pipes 3 and 4: JSON messages that end with a zero byte.
const waiting = new Map(), faults = [];
let buffered = "", number = 0, session, loaded;
browser.stdio[4].setEncoding("utf8").on("data", text => {
  const messages = (buffered + text).split("\0");
  buffered = messages.pop();
  for (const message of messages.map(JSON.parse)) {
    if (message.id) waiting.get(message.id)(message);
    else if (message.method === "Page.loadEventFired") loaded();
    else if (message.method === "Runtime.exceptionThrown")
      faults.push(message.params.exceptionDetails.exception.description);
    else if (message.method === "Log.entryAdded" && message.params.entry.level === "error")
      faults.push(message.params.entry.text);
    else if (message.method === "Network.requestWillBeSent")
      requests.push(message.params.request.url);
  }
});
const requests = [];

function send(method, params = {}) {
  const id = ++number;
  browser.stdio[3].write(JSON.stringify({ id, method, params, sessionId: session }) + "\0");
  return new Promise((done, failed) => waiting.set(id, answer =>
    answer.error ? failed(new Error(`${method}: ${answer.error.message}`)) : done(answer.result)));
}

async function value(expression) {
  const { result, exceptionDetails } =
    await send("Runtime.evaluate", { expression, returnByValue: true });
  assert.equal(exceptionDetails, undefined, expression);
  return result.value;
}

async function pointAt(selector, index) {
  const box = await value(`(() => {
    const element = document.querySelectorAll(${JSON.stringify(selector)})[${index}];
    element.scrollIntoView({ block: "center" });
    const box = element.getBoundingClientRect();
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  })()`);
  await send("Input.dispatchMouseEvent", { type: "mouseMoved", ...box });
  return box;
}

async function press(key, modifiers = 0) {
  for (const type of ["keyDown", "keyUp"])
    await send("Input.dispatchKeyEvent", { type, key, code: key, modifiers });
}

const chosen = () => value(`({
  row: [...document.querySelectorAll("#rows .token")].findIndex(t => t.matches(".chosen")),
  selected: document.querySelector("#rows [aria-selected=true]")?.firstChild.data,
  shares: [...document.querySelectorAll("#columns small")].map(t => parseFloat(t.textContent)),
  mapped: Number(document.getElementById("map").dataset.row),
  layer: document.getElementById("layer").value, head: document.getElementById("head").value,
  status: document.getElementById("status").textContent,
})`);

async function picture(name) {
  if (!pictures) return;
  const { data } = await send("Page.captureScreenshot", { captureBeyondViewport: true });
  writeFileSync(`${pictures}-${name}.png`, Buffer.from(data, "base64"));
}

async function check() {
  const { targetInfos } = await send("Target.getTargets");
  const target = targetInfos.find(info => info.type === "page").targetId;
  session = (await send("Target.attachToTarget", { targetId: target, flatten: true })).sessionId;
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(`${domain}.enable`);
  const load = new Promise(done => loaded = done);
  const url = pathToFileURL(resolve(file)).href;
  await send("Page.navigate", { url });
  await load;

  const rows = await value(`document.querySelectorAll("#rows .token").length`);
  const columns = await value(`document.querySelectorAll("#columns .token").length`);
  const first = await chosen();
  assert.equal(first.row, 0);
  assert.equal(first.shares.length, columns);

  // The pointer: another row is highlighted, with its own weights, and the map follows.
  const last = rows - 1;
  const box = await pointAt("#rows .token", last);
  const hovered = await chosen();
  assert.equal(hovered.row, last);
  assert.equal(hovered.mapped, last);
  const sum = hovered.shares.reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(sum - 100) <= 0.06 * columns, `the row sums to ${sum} %`);
  if (rows > 1) {
    assert.notDeepEqual(hovered.shares, first.shares);
    await pointAt("h1", 0);
    assert.equal((await chosen()).row, 0, "what was chosen comes back");
    await pointAt("#rows .token", last);
  }

  for (const type of ["mousePressed", "mouseReleased"])
    await send("Input.dispatchMouseEvent", { type, ...box, button: "left", clickCount: 1 });
  await pointAt("h1", 0);
  assert.equal((await chosen()).row, last, "a click keeps the row");

  // Tokens attended to tell who attends to them.
  await pointAt("#columns .token", 0);
  assert.equal(await value(`document.querySelectorAll("#columns .chosen").length`), 1);
  assert.match((await chosen()).status, /←/);

  // A cell of the map.
  const cell = await value(`(() => {
    const canvas = document.getElementById("map");
    canvas.scrollIntoView({ block: "start" });
    const box = canvas.getBoundingClientRect();
    return { x: box.x + map.left + map.cell / 2, y: box.y + map.top + map.cell / 2 };
  })()`);
  await send("Input.dispatchMouseEvent", { type: "mouseMoved", ...cell });
  assert.equal((await chosen()).row, 0);
  assert.equal(await value(`Number(document.getElementById("map").dataset.column)`), 0);

  // Keys.
  await value(`document.querySelector("#rows [tabindex='0']").focus()`);
  await press("Home");
  assert.equal((await chosen()).row, 0);
  await press("ArrowRight");
  assert.equal((await chosen()).row, Math.min(1, last));
  await press("End");
  assert.equal((await chosen()).row, last);
  const heads = await value(`document.getElementById("head").options.length`);
  await press("PageDown");
  const next = await chosen();
  assert.equal(next.head, "1");
  assert.equal(next.row, last, "the token stays chosen");
  for (let i = 0; i < heads; i++) await press("PageDown");
  assert.equal((await chosen()).head, String(heads - 1), "the mean of all heads comes last");
  const shift = 8, layers = Number(next.layer);
  await press("PageUp", shift);
  assert.equal((await chosen()).layer, String(Math.max(0, layers - 1)));

  // Light and dark.
  const backs = [];
  for (const scheme of ["light", "dark"]) {
    await send("Emulation.setEmulatedMedia",
      { features: [{ name: "prefers-color-scheme", value: scheme }] });
    backs.push(await value("getComputedStyle(document.body).backgroundColor"));
    await picture(scheme);
  }

  assert.notEqual(backs[0], backs[1]);
  assert.deepEqual(requests, [url], "nothing else is loaded");
  assert.deepEqual(faults, []);
  console.log(`${file}: ${rows} × ${columns} tokens, ${heads - 1} heads: passed`);
}

let failure;
try {
  await check();
} catch (error) {
  failure = error;
}

const ended = new Promise(done => browser.once("exit", done));
browser.kill();
await ended;
rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
if (failure) {
  console.error(failure);
  process.exitCode = 1;
}
