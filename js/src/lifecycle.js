/** What browsers do to a page: hide it, freeze it, keep it for later, bring it back, copy its tab. */

/** @typedef {Pick<import("./storage.js").Shelf, "get" | "set" | "remove">} Shelf */
/**
 * @typedef {object} Hooks
 * @property {() => void} [hide] the page goes away, maybe for good
 * @property {() => void} [show] it is back from the back/forward cache, or was prerendered
 * @property {() => void} [leaving] a link was clicked: where a page that was prerendered takes this one's place, a busy
 *   Chromium has lost what was stored in the last moment
 * @property {() => void} [hidden] the tab is in the background; nothing may run after this
 * @property {() => void} [visible] the tab is in the foreground, or thawed
 * @property {() => void} [online] the network is back
 * @property {(key: string | null) => void} [elsewhere] another page of this origin has stored something
 */

/**
 * @param {Hooks} hooks
 * @returns {() => void} stops watching
 */
export function watch(hooks) {
  const stop = new AbortController();
  const target = /** @type {{ addEventListener?: Window["addEventListener"], document?: Document }} */ (globalThis);
  const { document } = target;
  if (!document || !target.addEventListener) return () => {};
  const { signal } = stop;
  const seen = () => hooks.visible?.();
  target.addEventListener("pagehide", () => hooks.hide?.(), { signal });
  target.addEventListener("pageshow", (event) => event.persisted && hooks.show?.(), { signal });
  target.addEventListener("online", () => hooks.online?.(), { signal });
  target.addEventListener("storage", ({ key }) => hooks.elsewhere?.(key), { signal });
  const left = (/** @type {any} */ { target: at }) => at?.closest?.("a[href], area[href]") && hooks.leaving?.();
  document.addEventListener("click", left, { capture: true, signal });
  document.addEventListener("prerenderingchange", () => hooks.show?.(), { signal });
  document.addEventListener("resume", seen, { signal });
  document.addEventListener(
    "visibilitychange",
    () => (document.visibilityState === "hidden" ? hooks.hidden?.() : seen()),
    { signal },
  );
  return () => stop.abort();
}

/** @returns {boolean} whether nobody sees the page yet, and maybe nobody will */
export function isPrerendered() {
  return /** @type {{ document?: { prerendering?: boolean } }} */ (globalThis).document?.prerendering === true;
}

/**
 * Claim a name among all pages of this origin.
 *
 * A duplicated tab has a copy of everything, its name too; but only one page holds the claim. A page that is being loaded
 * anew may find the claim of its predecessor still held for a moment, so the answer takes up to `patience`.
 *
 * @param {string} name
 * @param {{ locks?: LockManager, Channel?: typeof BroadcastChannel, held?: Shelf, patience?: number }} [how] `held`: where
 *   all pages note what they hold, used where there are no locks; `patience`: milliseconds
 * @returns {Promise<(() => void) | null>} gives the claim up; `null` if another page holds it
 */
export function claim(name, { locks, Channel, held, patience = 500 } = {}) {
  if (locks) return lock(locks, name, patience);
  return Channel ? hail(new Channel("quart-stash"), name, patience, held) : Promise.resolve(() => {});
}

/** @type {(locks: LockManager, name: string, patience: number) => Promise<(() => void) | null>} */
function lock(locks, name, patience) {
  return new Promise((settle) => {
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      // A busy browser may take longer to grant a lock than another page to give it up: but it knows whether one holds it.
      const { held = [] } = (await locks.query?.().catch(() => null)) ?? { held: [{ name }] };
      if (held.some((lock) => lock.name === name)) abort.abort();
    }, patience);
    const held = () => /** @type {Promise<void>} */ (new Promise((release) => {
      clearTimeout(timer);
      settle(() => release());
    }));
    // Where locks are denied, nobody holds one.
    locks.request(name, { signal: abort.signal }, held).catch(() => settle(abort.signal.aborted ? null : () => {}));
  });
}

/**
 * Where there are no locks (plain HTTP): ask around, and answer those who ask later. A page that is busy answers late: but
 * that there is one stands in the notes, unless it has gone, or its browser died.
 *
 * @type {(channel: BroadcastChannel, name: string, patience: number, notes?: Shelf) => Promise<(() => void) | null>}
 */
function hail(channel, name, patience, notes) {
  const rank = Math.random();
  return new Promise((settle) => {
    let held = false;
    const take = () => {
      held = true;
      notes?.set(name, true);
      settle(() => {
        notes?.remove(name);
        channel.close();
      });
    };
    // Longer than a page is busy at one go; after a crash nobody answers, and a page must not wait for ever.
    const timer = setTimeout(take, notes?.get(name) ? patience * 6 : patience / 2);
    channel.onmessage = ({ data }) => {
      if (data?.name !== name) return;
      const asks = data.rank !== undefined;
      // Of two that ask at the same time, the lower rank wins.
      if (asks && (held || rank < data.rank)) channel.postMessage({ name });
      else if (!held) {
        clearTimeout(timer);
        channel.close();
        settle(null);
      }
    };
    channel.postMessage({ name, rank });
  });
}
