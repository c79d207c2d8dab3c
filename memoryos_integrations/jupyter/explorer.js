// The explorer in the browser. It shows what the kernel renders and asks for what is opened; it builds no HTML of its
// own, so that stored text is escaped in one place, in Python.

const PAUSE = 150; // ms without a key before a search is sent
const PATIENCE = 3000; // ms without an answer before the kernel is said to be busy
const BUSY = "The kernel is busy or gone; this appears when it answers.";

export default {
  render({ model, el }) {
    const view = new ExplorerView(model, el);
    return () => view.close();
  },
};

class ExplorerView {
  constructor(model, el) {
    this.model = model;
    this.name = Math.random().toString(36).slice(2); // one widget may be shown in several places
    this.asked = 0;
    this.latest = null; // the request whose answer is drawn
    this.forgets = new Set(); // ids of requests whose outcome is told also where it is not drawn
    this.trail = [{ show: model.get("first") }]; // the places that Back leads to, and last the one that is shown
    el.innerHTML = model.get("opening");
    this.root = el.querySelector(".mo-explorer");
    this.pane = this.root.querySelector(".mo-view");
    this.search = this.root.querySelector(".mo-search");
    this.root.addEventListener("click", (event) => this.clicked(event));
    this.search.addEventListener("input", () => this.typed());
    this.answered = (message) => this.answer(message);
    model.on("msg:custom", this.answered);
    this.markTab();
  }

  close() {
    this.model.off("msg:custom", this.answered);
    clearTimeout(this.pause);
    clearTimeout(this.patience);
  }

  clicked(event) {
    const button = event.target.closest("button") ?? this.opens(event.target);
    if (!button || !this.root.contains(button)) return;
    if ("show" in button.dataset) this.open(button.dataset, button.closest(".mo-tabs") !== null);
    else if ("back" in button.dataset) this.goTo(this.before());
    else if ("ask" in button.dataset) this.confirm(button.parentElement, true);
    else if ("keep" in button.dataset) this.confirm(button.closest(".mo-forget"), false);
    else if ("forget" in button.dataset) this.goTo(this.before(), { forget: button.dataset.forget });
  }

  // A row opens what its button does, unless somebody is marking its text.
  opens(target) {
    return getSelection().isCollapsed ? target.closest(".mo-view li")?.querySelector(".mo-open") : null;
  }

  open({ show, key = "", offset = "0" }, isTab) {
    const place = { show, key, offset: Number(offset) };
    const here = this.trail[this.trail.length - 1];
    if (isTab) {
      this.search.value = "";
      this.goTo([place], { focus: "tab" });
    } else if (here.show === show && (here.key ?? "") === key) this.goTo([...this.trail.slice(0, -1), place]);
    else this.goTo([...this.trail, place]);
  }

  typed() {
    clearTimeout(this.pause);
    this.pause = setTimeout(() => {
      const key = this.search.value;
      this.goTo([key.trim() ? { show: "found", key } : this.first()], { focus: "none" });
    }, PAUSE);
  }

  confirm(block, asking) {
    block.querySelector("[data-ask]").hidden = asking;
    block.querySelector(".mo-confirm").hidden = !asking;
    block.querySelector(asking ? "[data-keep]" : "[data-ask]").focus();
  }

  first() {
    return { show: this.model.get("first") };
  }

  before() {
    return this.trail.length > 1 ? this.trail.slice(0, -1) : [this.first()];
  }

  // Ask for the last place of a trail, which becomes ours when that is shown.
  goTo(trail, { forget, focus = "heading" } = {}) {
    clearTimeout(this.pause);
    const id = `${this.name}:${++this.asked}`;
    this.latest = { id, trail, focus };
    if (forget !== undefined) this.forgets.add(id);
    this.say("");
    this.complain("");
    this.pane.setAttribute("aria-busy", "true");
    clearTimeout(this.patience);
    this.patience = setTimeout(() => this.say(BUSY), PATIENCE);
    try {
      this.model.send({ ...trail[trail.length - 1], id, ...(forget !== undefined && { forget }) });
    } catch {
      this.say(BUSY); // Jupyter refuses to send to a kernel that was restarted
    }
  }

  answer(message) {
    const isForget = this.forgets.delete(message.id);
    const asked = this.latest?.id === message.id ? this.latest : null;
    if (asked) {
      this.latest = null;
      clearTimeout(this.patience);
      if (this.said() === BUSY) this.say("");
      this.pane.removeAttribute("aria-busy");
    } else if (!isForget) return; // nobody waits for it any more
    if (message.error !== undefined) this.complain(message.error);
    else {
      if (asked) this.draw(message, asked);
      if (message.status) this.say(message.status);
    }
  }

  draw({ html, tabs, place }, { trail, focus }) {
    const wanted = trail[trail.length - 1];
    const isWanted = wanted.show === place.show && (wanted.key ?? "") === place.key;
    this.trail = isWanted ? trail : [place];
    this.pane.innerHTML = html;
    this.pane.scrollTop = 0;
    this.root.querySelector(".mo-tabs").innerHTML = tabs;
    this.markTab();
    if (focus === "heading") (this.pane.querySelector("h4[tabindex]") ?? this.pane).focus();
    else if (focus === "tab") this.root.querySelector(".mo-tabs [aria-current]")?.focus();
  }

  markTab() {
    const current = this.trail[0].show;
    for (const tab of this.root.querySelectorAll(".mo-tabs button"))
      if (tab.dataset.show === current) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
  }

  said() {
    return this.root.querySelector(".mo-status").textContent;
  }

  say(text) {
    this.root.querySelector(".mo-status").textContent = text;
  }

  complain(text) {
    const place = this.root.querySelector(".mo-error");
    place.textContent = text;
    place.hidden = !text;
  }
}
