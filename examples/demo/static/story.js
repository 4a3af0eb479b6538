/** What a restart was, in words that a visitor knows. Nothing here touches the page. */

/** @typedef {import("./watch.js").Connection} Connection */
/** @typedef {import("./watch.js").Frame} Frame */
/** @typedef {import("./watch.js").Handover} Handover */
/**
 * @typedef {object} Server when what happened to it
 * @property {number} [pid]
 * @property {number} [started]
 * @property {number} [ready]
 * @property {number} [sigterm]
 * @property {number} [sigkill]
 * @property {number} [exited]
 */
/** @typedef {Map<number, Server>} Servers by number */
/** @typedef {"sigterm" | "sigkill" | "exited"} Cause */
/**
 * @typedef {object} Story
 * @property {Cause} [cause] why the old server ended; without one the connection alone was lost
 * @property {number} [old] the number of the server that ended
 * @property {number} [heir] of the one that took over
 * @property {number} begin when it began
 * @property {number} from when the page was without a server
 * @property {number} up from when on there was one to answer; not before `from`
 * @property {number} to when it had answered
 * @property {number} start how long the new server took to start, if the page had to wait for that; otherwise 0
 * @property {number} wait how long the page had to wait for a server that was up
 * @property {boolean} handed whether the old server handed the page over
 * @property {boolean} restored whether the new server knows all that the old one did
 */
/** @typedef {"old" | "page" | "heir"} Lane */
/** @typedef {{ at: number, words: string, wire?: string, from: Lane, to?: Lane }} Step */
/** @typedef {string | { kind: "start" | "wait", time: number }} Part of a sentence */

/** @type {Cause[]} */
const CAUSES = ["sigkill", "sigterm", "exited"];

/**
 * @param {Handover} handover
 * @param {Servers} servers
 * @returns {Story}
 */
export function storyOf({ old, next, from, status }, servers) {
  const begin = old.drained ?? old.ended ?? from;
  const end = endOf(old, begin, next, servers);
  const heir = heirOf(next, end?.number, servers);
  const { ready = Infinity, started = from } = servers.get(heir) ?? {};
  // The server says that it is ready to whoever asks. The page may have been answered just before.
  const up = Math.max(from, Math.min(ready, next.accepted ?? next.mounted));
  return {
    cause: end?.cause,
    old: end?.number,
    heir,
    begin: Math.min(begin, end?.at ?? begin),
    from,
    up,
    to: next.mounted,
    start: up > from && started >= (end?.at ?? Infinity) ? up - started : 0,
    wait: Math.max(0, next.mounted - up),
    handed: old.drained !== undefined,
    restored: status === "restored",
  };
}

/**
 * How the server came to its end that the old connection led to: the newest end since that was made.
 *
 * @returns {{ number: number, cause: Cause, at: number } | undefined}
 */
function endOf(old, begin, next, servers) {
  const ends = [...servers].flatMap(([number, server]) => {
    const [cause] = CAUSES.filter((one) => server[one] !== undefined).sort((a, b) => server[a] - server[b]);
    return cause ? [{ number, cause, at: server[cause] }] : [];
  });
  // Nobody tells beforehand that a process ends by itself.
  const mine = ends.filter(({ cause, at }) => at >= old.mounted && at <= (cause === "exited" ? next.mounted : begin));
  return mine.sort((a, b) => a.at - b.at).at(-1);
}

/** The number of the server that answered: the newest that was ready, or else the newest that had been started. */
function heirOf(next, old, servers) {
  const there = [...servers].filter(([number, { started = 0, exited = Infinity }]) =>
    number !== old && started <= next.mounted && exited > next.mounted);
  const ready = there.filter(([, server]) => server.ready <= next.mounted && !(server.sigterm <= next.opened));
  return (ready.at(-1) ?? there.at(-1))?.[0];
}

/**
 * @param {Story} story
 * @returns {Part[]}
 */
export function tell({ cause, old, heir, start, wait, handed, restored }) {
  const waited = { kind: /** @type {const} */ ("wait"), time: wait };
  const end = restored ? "." : ", and began anew.";
  if (!cause) return [`${handed ? "Your page was handed over" : "The connection was lost"}. Your page waited `, waited, end];
  if (cause === "sigterm" && !start) {
    return [`Server ${heir ?? "?"} has taken over from server ${old}. Your page waited `, waited, end];
  }
  const what = { sigkill: "was killed", sigterm: "has left", exited: "has ended" }[cause];
  if (!start) return [`Server ${old} ${what}. Your page waited `, waited, end];
  const starting = { kind: /** @type {const} */ ("start"), time: start };
  return [`Server ${old} ${what}. Server ${heir} took `, starting, " to start, then your page waited ", waited, end];
}

/** @param {Part[]} parts */
export const plain = (parts) => parts.map((part) => (typeof part === "string" ? part : duration(part.time))).join("");

/** @param {number} time in milliseconds */
export function duration(time) {
  if (time < 1) return "less than 1 ms";
  if (time < 999.5) return `${Math.round(time)} ms`;
  return `${(time / 1000).toFixed(time < 9950 ? 1 : 0)} s`;
}

/**
 * What the three of them did and said, in order, from the end of the old server to the answer of the new one.
 *
 * @param {Story} story
 * @param {Handover} handover
 * @param {Servers} servers
 * @returns {Step[]}
 */
export function stepsOf(story, { old, next }, servers) {
  const { started, ready } = servers.get(story.heir) ?? {};
  const [former, heir] = [`Server ${story.old ?? ""}`.trim(), story.heir ? `server ${story.heir}` : "the server"];
  const Heir = heir.replace(/^./, (letter) => letter.toUpperCase());
  /** @type {Step[]} */
  const steps = [];
  const add = (at, words, from, to, wire) => {
    if (at >= story.begin && at <= story.to) steps.push({ at, words, wire, from, to });
  };
  if (story.cause === "sigterm") add(story.begin, `${former} is told to leave`, "old", undefined, "SIGTERM");
  if (story.cause === "sigkill") add(story.begin, `${former} is killed`, "old", undefined, "SIGKILL");
  if (story.cause === "exited") add(servers.get(story.old).exited, `${former} ends`, "old");
  if (story.start) add(started, `${Heir} starts`, "heir");
  if (story.start && ready <= (next.accepted ?? next.mounted)) add(ready, `${Heir} is ready`, "heir");
  add(next.opened, `Your page calls ${heir}`, "page", "heir");
  add(next.accepted, `${Heir} takes the call`, "heir", "page");
  const names = { old: former, heir: Heir, next: heir };
  for (const frame of old.frames) addFrame(add, frame, "old", names);
  for (const frame of next.frames) addFrame(add, frame, "heir", names);
  return steps.sort((one, other) => one.at - other.at);
}

/** @param {Frame} frame @param {"old" | "heir"} server */
function addFrame(add, { at, what, up }, server, names) {
  if (what === "close 1006") return add(at, "Your page loses the connection", "page");
  const words = {
    drain: `${names.old} says that it is leaving`,
    message: "Your page sends what was still waiting",
    flushed: "Your page says that this was all",
    "final token": `${names.old} hands over all it knows`,
    synced: "Your page has it",
    "close 1012": `${names.old} hangs up`,
    mount: `Your page hands it to ${names.next}`,
    "mounted, restored": `${names.heir} goes on from there`,
    "mounted, fresh": `${names.heir} begins anew`,
    "mounted, rejected": `${names.heir} can't go on from there, and begins anew`,
  }[what];
  const wire = what === "message" ? undefined : what.replace(/,.*/, "");
  add(at, words ?? `${up ? "Your page" : names[server]} says`, up ? "page" : server, up ? server : "page", wire);
}
