// The token stands after the # and is read here; it leaves the browser when the
// person presses the button, in the body of a request, and never before.
"use strict";

const byId = (id) => document.getElementById(id);
const dots = "•".repeat(24);

function say(button, text) {
  const before = button.textContent;
  button.textContent = text;
  setTimeout(() => { button.textContent = before; }, 1600);
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    say(button, "Copied");
  } catch {
    say(button, "Select and copy by hand");
  }
}

function problem(text, title, again) {
  for (const id of ["lead", "offer", "unexpected"]) byId(id).hidden = !again;
  byId("closed-title").textContent = title;
  byId("progress").textContent = "";
  byId("problem").textContent = text;
  byId("problem").hidden = false;
}

function copyButtons(root) {
  for (const block of root.querySelectorAll(".code")) {
    const button = document.createElement("button");
    button.className = "copy";
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", () => copy(button, block.querySelector("code").textContent));
    block.append(button);
  }
}

function showSecret(secret) {
  let visible = false;
  const output = byId("secret"), show = byId("show");
  show.addEventListener("click", () => {
    visible = !visible;
    output.textContent = visible ? secret : dots;
    output.setAttribute("aria-label", visible ? "enrollment secret" : "enrollment secret, hidden");
    show.textContent = visible ? "Hide" : "Show";
    show.setAttribute("aria-pressed", String(visible));
  });
  byId("copy").addEventListener("click", () => copy(byId("copy"), secret));
}

function offer(file, base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const link = byId("download");
  link.href = URL.createObjectURL(new Blob([bytes], { type: "application/zip" }));
  link.download = file;
  byId("size").textContent = file + ", " + Math.ceil(bytes.length / 1024) + " KiB";
  const warn = (event) => event.preventDefault();
  addEventListener("beforeunload", warn);
  link.addEventListener("click", () => removeEventListener("beforeunload", warn));
}

function opened(kit) {
  history.replaceState(null, "", location.pathname); // the link is used up; the history need not keep it
  document.title = "Wazuh agents of " + kit.title;
  byId("title").textContent = document.title;
  byId("sheet").innerHTML = kit.page; // our own server's, escaped there
  copyButtons(byId("sheet"));
  showSecret(kit.secret);
  offer(kit.file, kit.bundle);
  byId("closed").hidden = true;
  byId("opened").hidden = false;
  byId("title").focus();
}

async function press(link) {
  const button = byId("open");
  button.disabled = true;
  byId("problem").hidden = true;
  byId("progress").textContent = "Opening …";
  let kit, again = true;
  try {
    const response = await fetch("/kit/open", {
      method: "POST", cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer",
      headers: { "Content-Type": "application/json" }, body: JSON.stringify({ link }),
    });
    kit = await response.json();
    again = response.status === 429 || response.status === 503;
  } catch {
    kit = { message: "The connection failed. Try again.", code: "network" };
  }
  if (kit.code) {
    problem(kit.message, kit.code === "used" ? "Already used" : "It did not open", again);
    button.disabled = !again;
    return;
  }
  opened(kit);
}

const link = location.hash.slice(1);
if (link === "") {
  problem("The link is not complete: it must have a part after the # sign. Copy it whole.", "It did not open", false);
} else {
  byId("open").disabled = false;
  byId("open").addEventListener("click", () => press(link));
}
