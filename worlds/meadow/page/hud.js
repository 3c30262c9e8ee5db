// Lives here: what lies over the picture: start screen, purse, chat, dialogs, banner, help.
// Not here: the game behind it (game.js), the canvas (draw.js).
// Invariant: nobody's words become markup.

import { MAX_TEXT } from "./game.js";

const CHAT_LINES = 40;
const CHAT_FADE_MS = 14_000;
const TOAST_MS = 3_500;

/** What a refusal means, in words. */
const REFUSALS = {
  insufficient: "You do not have that much gold.", bad_amount: "That is no amount of gold.",
  no_such_player: "That player is not to be found.", yourself: "That is you.", gone: "Somebody was faster.",
  too_far: "That is too far away.", too_long: "That is too long to say.", bad_text: "That can't be said.",
};
const REASONS = {
  taken_over: "You are playing somewhere else now.", unreachable: "The server can't be reached.",
  overloaded: "The meadow is full. Try again in a moment.", draining: "The server is about to restart.",
  session_lost: "The connection was lost; it is not known whether that was done.",
  bad_message: "This page and the server do not understand each other. Load it again.",
};

/** An error in words for people. */
export function words(error) {
  if (error.code === "refused") return REFUSALS[error.message] ?? error.message;
  return REASONS[error.code] ?? error.message;
}

const $ = (id) => document.getElementById(id);

/** The page's elements. `wishes`: join(name, token), say(text), sayToAll(text), give(to, gold), drop(gold), map(). */
export class Hud {
  constructor(wishes) {
    this.wishes = wishes;
    this.shownGold = null;
    this.goal = 0;
    this.toAll = false;
    this.fades = new Map();
    $("name").value = remembered();
    $("token").addEventListener("input", () => this.#tokenChanged());
    this.#takeToken();
    addEventListener("hashchange", () => this.#takeToken());
    $("start").addEventListener("submit", (event) => this.#join(event));
    $("say-form").addEventListener("submit", (event) => this.#say(event));
    $("say").maxLength = MAX_TEXT;
    $("say").addEventListener("keydown", (event) => this.#talkKey(event));
    $("say-to").addEventListener("click", () => this.talkTo(!this.toAll));
    $("talk-button").addEventListener("click", () => this.talk());
    $("help-button").addEventListener("click", () => this.help());
    $("map").addEventListener("click", () => wishes.map());
    $("purse").addEventListener("click", () => this.askDrop());
    for (const button of document.querySelectorAll("dialog .cancel")) {
      button.addEventListener("click", () => button.closest("dialog").close());
    }
    for (const button of document.querySelectorAll("[data-gold]")) {
      button.addEventListener("click", () => {
        $("give-gold").value = button.dataset.gold;
      });
    }
    $("give-form").addEventListener("submit", (event) => this.#give(event));
  }

  // ---- start screen -------------------------------------------------------------------------

  #join(event) {
    event.preventDefault();
    const [name, token] = [$("name").value.trim(), $("token").value.trim()];
    if (!name && !token) return;
    if (!token) remember(name);
    this.busy(true);
    // Either says who it is; a server that wants tokens goes by the token alone.
    if (token) this.wishes.join(null, token);
    else this.wishes.join(name, null);
  }

  /**
   * A link may bring the token: `#token=…`, which browsers send to nobody. It is taken out of the
   * address, so that it is in no history, bookmark or picture of the screen.
   */
  #takeToken() {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (!token) return;
    history.replaceState(null, "", location.pathname + location.search);
    $("token").value = token;
    this.#tokenChanged();
  }

  #tokenChanged() {
    const has = $("token").value.trim() !== "";
    if (has) $("with-token").open = true;
    $("name").required = !has;
    $("name").disabled = has;
  }

  busy(is) {
    $("join").disabled = is;
    $("join").textContent = is ? "Walking in …" : "Walk in";
    if (is) $("start-error").textContent = "";
  }

  showStart(error) {
    this.busy(false);
    document.body.classList.remove("playing");
    $("start-error").textContent = error ? words(error) : "";
    if (error?.code === "bad_login") $("with-token").open = true;
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    this.endTalk();
    ($("name").disabled ? $("token") : $("name")).focus();
  }

  showGame() {
    this.busy(false);
    document.body.classList.add("playing");
    document.activeElement?.blur();
    $("chat").replaceChildren();
    this.banner("online");
  }

  // ---- while playing ------------------------------------------------------------------------

  banner(state) {
    const text = { reconnecting: "The connection is lost. Trying again …", connecting: "Connecting …" }[state];
    $("banner").hidden = !text;
    $("banner-text").textContent = text ?? "";
  }

  name(name) {
    setText($("my-name"), name ?? "");
  }

  purse(gold, mushrooms) {
    this.goal = gold;
    this.shownGold ??= gold;
    $("mushrooms").textContent = mushrooms;
    $("purse").classList.remove("bump");
    requestAnimationFrame(() => $("purse").classList.add("bump"));
  }

  /** Counts the purse's number up or down; once per frame. */
  step() {
    if (this.shownGold === null) return;
    const left = this.goal - this.shownGold;
    if (left !== 0) this.shownGold += Math.sign(left) * Math.max(1, Math.floor(Math.abs(left) / 8));
    setText($("gold"), String(this.shownGold));
  }

  forgetPurse() {
    this.shownGold = null;
    $("gold").textContent = "…";
  }

  facts(latency, players) {
    setText($("latency"), latency === null ? "–" : `${Math.max(1, Math.round(latency))} ms`);
    $("latency").dataset.grade = latency === null || latency > 250 ? "bad" : latency > 120 ? "fair" : "good";
    setText($("players"), String(players));
  }

  /** A word when the server slows time down: a crowd in one place has more to do than it can. */
  pace(dilation) {
    const slow = dilation < 0.995;
    setText($("slow"), slow ? `It is crowded here: time runs at ${Math.round(dilation * 100)} %.` : "");
    $("slow").hidden = !slow;
  }

  chat(name, text, kind = "") {
    const line = document.createElement("p");
    line.className = kind;
    if (name) {
      const who = document.createElement("b");
      who.textContent = name;
      line.append(who, " ");
    }
    line.append(text);
    $("chat").append(line);
    while ($("chat").childElementCount > CHAT_LINES) $("chat").firstElementChild.remove();
    $("chat").scrollTop = $("chat").scrollHeight;
    setTimeout(() => line.classList.add("old"), CHAT_FADE_MS);
  }

  toast(text) {
    $("toast").textContent = text;
    $("toast").classList.add("shown");
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => $("toast").classList.remove("shown"), TOAST_MS);
  }

  talk() {
    document.body.classList.add("talking");
    $("say").focus();
  }

  endTalk() {
    document.body.classList.remove("talking");
    $("say").blur();
  }

  #talkKey(event) {
    if (event.key === "Escape") this.endTalk();
    if (event.key !== "Tab") return;
    event.preventDefault();
    this.talkTo(!this.toAll);
  }

  /** Whether what is typed is for all, or for those who stand near. */
  talkTo(all) {
    this.toAll = all;
    $("say-to").textContent = all ? "All" : "Near";
    $("say-to").setAttribute("aria-pressed", String(all));
    $("say").placeholder = all ? "Say something to everybody …" : "Say something to those near you …";
    $("say").focus();
  }

  #say(event) {
    event.preventDefault();
    const text = $("say").value.trim();
    $("say").value = "";
    this.endTalk();
    if (!text) return;
    if (this.toAll) this.wishes.sayToAll(text);
    else this.wishes.say(text);
  }

  help() {
    if ($("help").open) $("help").close();
    else $("help").showModal();
  }

  // ---- gold changes hands -------------------------------------------------------------------

  askGive(id, name) {
    this.#ask({ to: id, title: `Give gold to ${name}`, verb: "Give" });
  }

  askDrop() {
    this.#ask({ to: null, title: "Drop gold here", verb: "Drop" });
  }

  #ask({ to, title, verb }) {
    this.giveTo = to;
    $("give-title").textContent = title;
    $("give-submit").textContent = verb;
    $("give-gold").max = Math.max(1, this.goal);
    $("give-have").textContent = `You have ${this.goal}.`;
    $("give").showModal();
    $("give-gold").select();
  }

  #give(event) {
    event.preventDefault();
    const gold = Number($("give-gold").value);
    $("give").close();
    if (!Number.isSafeInteger(gold)) return;
    if (this.giveTo === null) this.wishes.drop(gold);
    else this.wishes.give(this.giveTo, gold);
  }
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const NAME_KEY = "meadow.name";

/** The name of last time. A browser may keep pages from storing: then there is none. */
function remembered() {
  try {
    return localStorage.getItem(NAME_KEY) ?? "";
  } catch {
    return "";
  }
}

function remember(name) {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // Not stored: the name is typed again next time.
  }
}
